using System.Diagnostics;

namespace Entrepot.ClientTests.Kit;

/// <summary>nginx with <c>deploy/nginx.conf</c> and nothing else.</summary>
internal static class Nginx
{
    /// <summary>Where that file has it listen.</summary>
    public const string Host = "127.0.0.1:80";

    /// <summary>Starts it before an appliance.</summary>
    /// <param name="folder">Everything of it lies there.</param>
    /// <param name="logFile">Where its output is appended.</param>
    /// <param name="behind">The appliance, <c>address:port</c>.</param>
    public static async Task<Daemon> StartAsync(string folder, string logFile, string behind)
    {
        Directory.CreateDirectory(folder);
        var site = Path.Combine(folder, "site.conf");
        await File.WriteAllTextAsync(site, RepositoryFile.ReadExample("deploy/nginx.conf", behind));
        var config = Path.Combine(folder, "nginx.conf");
        await File.WriteAllTextAsync(config, $$"""
            daemon off;
            user root;
            pid {{folder}}/pid;
            error_log stderr warn;
            events { }
            http {
                access_log {{folder}}/access.log;
                client_body_temp_path {{folder}}/body;
                proxy_temp_path {{folder}}/proxy;
                fastcgi_temp_path {{folder}}/fastcgi;
                uwsgi_temp_path {{folder}}/uwsgi;
                scgi_temp_path {{folder}}/scgi;
                include {{site}};
            }
            """);
        var start = new ProcessStartInfo("nginx", ["-e", "stderr", "-c", config]);
        return await Daemon.StartAsync(start, logFile, () => Http.AnswersAsync(new Uri($"http://{Host}/v2/")));
    }
}
