using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Entrepot.ClientTests.Images;
using Entrepot.ClientTests.Kit;
using Xunit.Abstractions;

namespace Entrepot.ClientTests;

/// <summary>Ten thousand connections that do nothing: engines pull beside them as they always do, and what each of them costs is little.</summary>
public sealed class IdleConnectionTests(ITestOutputHelper output)
{
    private const int Idle = 10_000;
    private const int Clients = 4;   // addresses: limits.clientConnections is half as many for one
    private const int AtOnce = 64;   // fewer than wait in a listener's queue

    // Measured: 10,400, half of them with a request behind them; the rest is for what the runtime gives back late.
    private const int BytesEach = 24 << 10;

    [ClientFact]
    public async Task Connections_TenThousandIdle_EnginesPullBesideThem()
    {
        var (first, second) = (SampleImages.Named("library/multi"), SampleImages.Named("library/five"));
        var environment = new Dictionary<string, string> { ["ENTREPOT_LIMITS__CONNECTIONS"] = $"{Idle + 100}" };
        await using var scene = await Scene.StartAsync("0s", [first, second], environment: environment);
        var dockerd = await scene.StartDockerdAsync();
        await scene.Skopeo().CopyAsync(first);
        var alone = await TakesAsync(() => scene.Skopeo().CopyAsync(first));
        var before = scene.Entrepot.Use();

        var began = Stopwatch.StartNew();
        var idle = await ConnectAsync(scene.Entrepot.Address.Port);
        var connecting = began.Elapsed;
        Assert.InRange(await OpenAsync(scene), Idle, Idle + 100);
        var beside = await TakesAsync(() => scene.Skopeo().CopyAsync(first));
        await Task.WhenAll(dockerd.PullAsync(second), scene.Skopeo().CopyAsync(second));
        var use = scene.Entrepot.Use();
        Assert.InRange(await OpenAsync(scene), Idle, Idle + 100);   // none was given up for the pulls
        foreach (var one in idle) one.Dispose();

        await Eventually.TrueAsync(async () => await OpenAsync(scene) < 100);
        var grown = use.Memory - before.Memory;
        output.WriteLine($"{Idle} connections in {connecting.TotalSeconds:0.0} s; memory {before.Memory >> 20} to {use.Memory >> 20} MiB, {grown / Idle} bytes each; skopeo {alone:0.00} s alone, {beside:0.00} s beside them");
        Assert.InRange(use.Descriptors - before.Descriptors, Idle, Idle + 200);
        Assert.InRange(grown, 0, (long)Idle * BytesEach);
        Assert.InRange(beside, 0, 1 + (3 * alone));
        await scene.Skopeo().CopyAsync(second);
    }

    private static Task<long> OpenAsync(Scene scene) => scene.Entrepot.MetricAsync("entrepot_connections");

    private static async Task<double> TakesAsync(Func<Task> work)
    {
        var began = Stopwatch.StartNew();
        await work();
        return began.Elapsed.TotalSeconds;
    }

    // Every other one has asked for something, as engines have that keep theirs.
    private static async Task<Socket[]> ConnectAsync(int port)
    {
        var sockets = new Socket[Idle];
        await Parallel.ForAsync(0, Idle, new ParallelOptions { MaxDegreeOfParallelism = AtOnce }, async (number, cancel) =>
        {
            var socket = sockets[number] = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            socket.Bind(new IPEndPoint(IPAddress.Parse($"127.0.0.{2 + (number % Clients)}"), 0));
            await socket.ConnectAsync(IPAddress.Loopback, port, cancel);
            if (number / Clients % 2 == 0) return;

            await socket.SendAsync(Encoding.ASCII.GetBytes("GET /v2/ HTTP/1.1\r\nHost: a\r\n\r\n"), cancel);
            var buffer = new byte[1024];
            var count = await socket.ReceiveAsync(buffer, cancel);
            Assert.StartsWith("HTTP/1.1 200", Encoding.ASCII.GetString(buffer, 0, count), StringComparison.Ordinal);
        });
        return sockets;
    }
}
