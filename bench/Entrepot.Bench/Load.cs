using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;

namespace Entrepot.Bench;

/// <summary>
/// The clients of <c>bench/side-by-side</c> that wrk cannot be: those that take large blobs cheaply, ask with HEAD, ask for each of many paths once, come all
/// at once, or read slowly. What they find goes to the standard output, one line of <c>name value</c> pairs.
/// </summary>
internal static class Load
{
    /// <param name="arguments">What follows <c>load</c>; without any, they are listed.</param>
    /// <returns>0; 1 if a response was not what it should be; 2 if the arguments cannot be understood.</returns>
    public static async Task<int> RunAsync(string[] arguments)
    {
        try
        {
            switch (arguments)
            {
                case ["make", var folder, var count, var bytes]:
                    MakeBlobs(folder, Number(count), Number(bytes));
                    return 0;
                case ["hit", var url, var method, var clients, var seconds]:
                    await RepeatAsync(new Uri(url), method, [new Uri(url).PathAndQuery], Number(clients), Seconds(seconds));
                    return 0;
                case ["loop", var server, var clients, var seconds]:
                    await RepeatAsync(new Uri(server), "GET", ReadPaths(), Number(clients), Seconds(seconds));
                    return 0;
                case ["each", var server, var clients]:
                    await EachAsync(new Uri(server), Number(clients), ReadPaths());
                    return 0;
                case ["slow", var url, var clients, var bytesPerSecond, var seconds]:
                    await SlowReaders.RunAsync(new Uri(url), Number(clients), Number(bytesPerSecond), Seconds(seconds));
                    return 0;
            }
        }
        catch (Exception fault) when (fault is IOException or System.Net.Sockets.SocketException)
        {
            Console.Error.WriteLine(fault.Message);
            return 1;
        }

        Console.Error.WriteLine("load make FOLDER COUNT BYTES | hit URL METHOD CLIENTS SECONDS | loop SERVER CLIENTS SECONDS < PATHS | each SERVER CLIENTS < PATHS | slow URL CLIENTS BYTES/S SECONDS");
        return 2;
    }

    // Each other bytes on every call; the digests are printed.
    private static void MakeBlobs(string folder, int count, int bytes)
    {
        var random = new Random();
        var blob = new byte[bytes];
        for (var i = 0; i < count; i++)
        {
            random.NextBytes(blob);
            var digest = $"sha256:{Convert.ToHexStringLower(SHA256.HashData(blob))}";
            File.WriteAllBytes(Path.Combine(folder, digest), blob);
            Console.WriteLine(digest);
        }
    }

    // The same requests again and again, over connections that stay open; each client begins with another one.
    private static async Task RepeatAsync(Uri server, string method, List<string> paths, int clients, TimeSpan time)
    {
        var all = await ConnectAsync(server, clients);
        var watch = Stopwatch.StartNew();
        using var end = new CancellationTokenSource(time);
        await Task.WhenAll(all.Select((client, first) => Task.Run(async () =>
        {
            try
            {
                for (var i = first; !end.IsCancellationRequested; i++) await client.AskAsync(method, paths[i % paths.Count], end.Token);
            }
            catch (OperationCanceledException)
            {
                // The time is over; what has come of this response is counted as bytes, not as a response.
            }
        })));
        Report(all, watch.Elapsed);
    }

    // Each path once, by whichever client is free. All are connected before the first asks, so that as many paths as clients are a herd.
    private static async Task EachAsync(Uri server, int clients, List<string> paths)
    {
        var all = await ConnectAsync(server, clients);
        var next = -1;
        var watch = Stopwatch.StartNew();
        await Task.WhenAll(all.Select(async client =>
        {
            for (int i; (i = Interlocked.Increment(ref next)) < paths.Count;) await client.AskAsync("GET", paths[i], default);
        }));
        Report(all, watch.Elapsed);
    }

    // Each has been answered once before time is taken: that compiles the generator, and opens what the server opens for a connection.
    private static async Task<LoadClient[]> ConnectAsync(Uri server, int clients)
    {
        var all = await Task.WhenAll(Enumerable.Range(0, clients).Select(_ => LoadClient.ConnectAsync(server)));
        foreach (var client in all) client.Forget();
        return all;
    }

    private static void Report(LoadClient[] clients, TimeSpan time)
    {
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"seconds {time.TotalSeconds:0.0000} responses {clients.Sum(client => client.Responses)} bytes {clients.Sum(client => client.Bytes)}"));
        foreach (var client in clients) client.Dispose();
    }

    private static List<string> ReadPaths()
    {
        var paths = new List<string>();
        while (Console.ReadLine() is { } path) paths.Add(path);
        return paths;
    }

    private static int Number(string text) => int.Parse(text, CultureInfo.InvariantCulture);

    private static TimeSpan Seconds(string text) => TimeSpan.FromSeconds(double.Parse(text, CultureInfo.InvariantCulture));
}
