using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Entrepot.Bench;

/// <summary>
/// What does the published program, with its default options, make of an upstream that throttles each connection: how fast is a cold blob beside a
/// direct download, how soon do a cold blob's last bytes come, and what does a kill in the middle cost?
/// </summary>
internal static class ColdFetch
{
    private const long BytesPerSecond = 20_000_000;
    private const int TailBytes = 1024;

    private static readonly HttpClient Client = new(new SocketsHttpHandler { UseProxy = false }) { Timeout = TimeSpan.FromMinutes(5) };

    /// <param name="program">The published executable.</param>
    /// <param name="size">Bytes of the blob.</param>
    /// <param name="times">How often all is measured.</param>
    public static async Task RunAsync(string program, int size, int times)
    {
        var blob = new byte[size];
        new Random(1).NextBytes(blob);
        var (direct, cold, ratios, firsts, tails, resumes) = (new List<double>(), new List<double>(), new List<double>(), new List<double>(), new List<double>(), new List<double>());
        for (var i = 0; i < times; i++)
        {
            using var registry = new PacedRegistry(blob, BytesPerSecond);
            direct.Add(await DownloadAsync(registry.BlobAt(registry.Url), blob));
            await WithAsync(program, registry, async cache => cold.Add(await DownloadAsync(registry.BlobAt(cache.Url), blob)));
            ratios.Add(direct[^1] / cold[^1]);
            await WithAsync(program, registry, async cache => firsts.Add(await TailAsync(registry.BlobAt(cache.Url), blob)));
            await WithAsync(program, registry, async cache =>
            {
                // Compiles what a fetch needs.
                await Client.GetByteArrayAsync(registry.SmallAt(cache.Url));
                tails.Add(await TailAsync(registry.BlobAt(cache.Url), blob));
            });
            resumes.Add(await ResumeAsync(program, blob));
        }

        Console.WriteLine($"blob of {size / 1e6:0} MB, {times} times; load: {(await File.ReadAllTextAsync("/proc/loadavg")).Trim()}");
        Print("direct download, s", direct);
        Print("cold through Entrepot, s", cold);
        Print("times as fast as direct", ratios);
        Print("last 1 KiB of a cold blob, the process's first blob, ms", firsts);
        Print("last 1 KiB of a cold blob, ms", tails);
        Print("bytes fetched / size, killed at 60 %", resumes);
    }

    private static async Task<double> DownloadAsync(Uri address, byte[] blob)
    {
        var began = Stopwatch.StartNew();
        using var answer = await Client.GetAsync(address, HttpCompletionOption.ResponseHeadersRead);
        answer.EnsureSuccessStatusCode();
        await using var body = await answer.Content.ReadAsStreamAsync();
        await CompareAsync(body, blob, blob.Length);
        return began.Elapsed.TotalSeconds;
    }

    private static async Task<double> TailAsync(Uri address, byte[] blob)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, address);
        request.Headers.Range = new(null, TailBytes);
        var began = Stopwatch.StartNew();
        using var answer = await Client.SendAsync(request);
        var bytes = await answer.Content.ReadAsByteArrayAsync();
        var time = began.Elapsed.TotalMilliseconds;
        if (answer.StatusCode != HttpStatusCode.PartialContent || !bytes.AsSpan().SequenceEqual(blob.AsSpan(^TailBytes..))) throw new InvalidDataException("other bytes than the last ones");
        return time;
    }

    // Killed as soon as its client has 60 %; then the blob is pulled again.
    private static async Task<double> ResumeAsync(string program, byte[] blob)
    {
        using var registry = new PacedRegistry(blob, BytesPerSecond);
        await WithAsync(program, registry, async cache =>
        {
            await using (var body = await Client.GetStreamAsync(registry.BlobAt(cache.Url))) await CompareAsync(body, blob, blob.Length / 10 * 6);
            await cache.KillAsync();
            await cache.StartAsync();
            await DownloadAsync(registry.BlobAt(cache.Url), blob);
        });
        return registry.Sent / (double)blob.Length;
    }

    private static async Task CompareAsync(Stream body, byte[] blob, int count)
    {
        var buffer = new byte[64 << 10];
        for (var at = 0; at < count;)
        {
            var read = await body.ReadAsync(buffer);
            if (read == 0 || !blob.AsSpan(at, read).SequenceEqual(buffer.AsSpan(0, read))) throw new InvalidDataException($"other bytes at {at}");
            at += read;
        }
    }

    private static async Task WithAsync(string program, PacedRegistry registry, Func<Server, Task> measure)
    {
        await using var server = new Server(program, registry.Url);
        await server.StartAsync();
        await measure(server);
    }

    private static void Print(string what, List<double> values)
    {
        values.Sort();
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{what}: {values[values.Count / 2]:0.000} ({values[0]:0.000} to {values[^1]:0.000})"));
    }

    /// <summary>The published program on an empty store of its own, with default options but for addresses, store and upstream.</summary>
    private sealed class Server(string program, Uri upstream) : IAsyncDisposable
    {
        private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("entrepot-bench-");
        private readonly int _port = FreePort();
        private readonly int _adminPort = FreePort();
        private Process? _process;

        public Uri Url => new($"http://127.0.0.1:{_port}/");

        public async Task StartAsync()
        {
            var options = Path.Combine(_folder.FullName, "entrepot.yaml");
            await File.WriteAllTextAsync(options, $"""
                storage:
                  root: {Path.Combine(_folder.FullName, "store")}
                  minFree: 0B
                upstreams:
                  - name: docker.io
                    urls: ["{upstream.GetLeftPart(UriPartial.Authority)}"]
                """);
            var start = new ProcessStartInfo(program, ["--config", options, "--listen", $"127.0.0.1:{_port}", "--admin", $"127.0.0.1:{_adminPort}"])
            {
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            };
            _process = Process.Start(start)!;
            _process.OutputDataReceived += (_, _) => { };
            _process.ErrorDataReceived += (_, _) => { };
            _process.BeginOutputReadLine();
            _process.BeginErrorReadLine();
            using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(20));
            while (!await AnswersAsync())
            {
                if (_process.HasExited) throw new InvalidOperationException($"{program} ended with {_process.ExitCode}");
                await timer.WaitForNextTickAsync();
            }
        }

        public async Task KillAsync()
        {
            _process!.Kill();
            await _process.WaitForExitAsync();
            _process.Dispose();
            _process = null;
        }

        public async ValueTask DisposeAsync()
        {
            if (_process is not null) await KillAsync();
            _folder.Delete(recursive: true);
        }

        private async Task<bool> AnswersAsync()
        {
            try
            {
                using var answer = await Client.GetAsync(new Uri(Url, "v2/"));
                return answer.IsSuccessStatusCode;
            }
            catch (HttpRequestException)
            {
                return false;
            }
        }

        private static int FreePort()
        {
            using var listener = new TcpListener(IPAddress.Loopback, 0);
            listener.Start();
            return ((IPEndPoint)listener.LocalEndpoint).Port;
        }
    }
}
