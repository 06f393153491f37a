using System.Diagnostics;
using System.Text.RegularExpressions;
using Entrepot.ClientTests.Images;
using Entrepot.ClientTests.Kit;

namespace Entrepot.ClientTests;

/// <summary>Does what the first screen of README.md says, in a fresh copy of the repository, with the commands that stand there.</summary>
/// <remarks>
/// Docker Hub is a registry of this machine with TLS, which the namespace's names lead to. There is no systemd in the namespace: for <c>systemctl reload docker</c> a
/// dockerd is started that reads /etc/docker/daemon.json, as the service does; the folder is a file system of the test's own. <c>sudo</c> only runs its command.
/// </remarks>
public sealed partial class FirstScreenTests : IDisposable
{
    private const string Sudo = """
        #!/bin/sh
        exec "$@"
        """;

    private const string Systemctl = """
        #!/bin/sh
        [ "$*" = "reload docker" ] || exit 1
        dockerd --data-root "$WORK/docker" --exec-root "$WORK/exec" --pidfile "$WORK/dockerd.pid" --host "$DOCKER_HOST" \
          --storage-driver vfs --bridge none --iptables=false --ip6tables=false > "$WORK/dockerd.log" 2>&1 &
        until docker version > /dev/null 2>&1; do kill -0 $! || exit 1; done
        """;

    private static readonly string[] Ignored = ["bin", "obj", ".git", ".vs", ".idea", "data", "artifacts", "TestResults"];

    private readonly DirectoryInfo _work = Directory.CreateTempSubdirectory("entrepot-");

    public void Dispose() => _work.Delete(recursive: true);

    [ClientFact]
    public async Task Commands_InAFreshCopy_PullThroughDockerAndShowAHit()
    {
        var logs = TestRun.LogFolder(nameof(FirstScreenTests));
        var blocks = RepositoryFile.ReadCommands("README.md");
        var run = blocks.First(block => block.Contains("dotnet run", StringComparison.Ordinal)).Split('\n').First(line => line.StartsWith("dotnet run", StringComparison.Ordinal));
        var pull = blocks.First(block => block.Contains("docker pull alpine", StringComparison.Ordinal));
        var copy = Copy();
        await using var hub = await DockerRegistry.StartAsync(Path.Combine(_work.FullName, "hub"), Path.Combine(logs, "hub.log"), RegistrySetup.DockerHub);
        await hub.PushAsync(SampleImages.Named("library/five") with { Repository = "library/alpine", Tag = "latest" });

        // Restore takes packages from the user's folder, and cannot ask anybody about their vulnerabilities.
        var start = new ProcessStartInfo("bash", ["-ec", "exec " + run]) { WorkingDirectory = copy };
        start.Environment["NuGetAudit"] = "false";
        await using var entrepot = await Daemon.StartAsync(
            start, Path.Combine(logs, "entrepot.log"), () => Http.AnswersAsync(new Uri("http://127.0.0.1:5001/readyz")), TimeSpan.FromMinutes(5));
        var told = await RunAsync(pull, copy, Path.Combine(logs, "commands.log"));

        var count = Counter().Match(told);
        Assert.True(count.Success, told);
        Assert.NotEqual("0", count.Groups["count"].Value);
        Assert.True(Directory.Exists(Path.Combine(copy, "data", "blobs")));
        var asked = hub.Seen.Where(request => request.IsPull).ToList();
        Assert.NotEmpty(asked);
        Assert.All(asked, request => Assert.Equal("HTTP/2.0", request.Protocol));
        Assert.All(asked.CountBy(request => request.Path), request => Assert.Equal(1, request.Value));
    }

    private async Task<string> RunAsync(string commands, string folder, string logFile)
    {
        var programs = Directory.CreateDirectory(Path.Combine(_work.FullName, "programs")).FullName;
        foreach (var (name, text) in new[] { ("sudo", Sudo), ("systemctl", Systemctl) })
        {
            var path = Path.Combine(programs, name);
            await File.WriteAllTextAsync(path, text + "\n");
            await Tool.RunAsync("chmod", ["+x", path]);
        }

        // The engine's own client, whatever else is installed.
        File.CreateSymbolicLink(Path.Combine(programs, "docker"), "/usr/bin/docker");
        var script = $$"""
            set -o pipefail
            mkdir -p /etc/docker
            mount -t tmpfs tmpfs /etc/docker
            end() {
              [ -e "$WORK/dockerd.pid" ] || return 0
              pid=$(cat "$WORK/dockerd.pid")
              kill "$pid"
              while kill -0 "$pid" 2> /dev/null; do sleep 0.1; done
            }
            trap end EXIT
            cd '{{folder}}'
            {{commands}}
            """;
        return await Tool.ReadAsync(
            "unshare", ["--mount", "bash", "-ec", script], logFile, ("WORK", _work.FullName), ("DOCKER_HOST", $"unix://{_work.FullName}/docker.sock"),
            ("DOCKER_CONFIG", _work.FullName), ("PATH", $"{programs}:{Environment.GetEnvironmentVariable("PATH")}"));
    }

    // Without what is built or run there, as a clone is.
    private string Copy()
    {
        var copy = Path.Combine(_work.FullName, "repository");
        foreach (var file in Files(new DirectoryInfo(RepositoryFile.Root)))
        {
            var target = Path.Combine(copy, Path.GetRelativePath(RepositoryFile.Root, file.FullName));
            Directory.CreateDirectory(Path.GetDirectoryName(target)!);
            file.CopyTo(target);
        }

        return copy;
    }

    private static IEnumerable<FileInfo> Files(DirectoryInfo folder) =>
        folder.EnumerateFiles().Where(file => !Ignored.Contains(file.Name))
            .Concat(folder.EnumerateDirectories().Where(inner => !Ignored.Contains(inner.Name)).SelectMany(Files));

    [GeneratedRegex("^entrepot_requests_total\\{kind=\"blob\",upstream=\"docker.io\",source=\"hit\"\\} (?<count>[0-9]+)$", RegexOptions.Multiline)]
    private static partial Regex Counter();
}
