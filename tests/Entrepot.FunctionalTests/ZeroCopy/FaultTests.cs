using System.Net.Sockets;
using Entrepot.FunctionalTests.Kit;
using Entrepot.Server.ZeroCopy;

namespace Entrepot.FunctionalTests.ZeroCopy;

/// <summary>Whatever goes wrong in a body is never taken for its end, and harms nobody else.</summary>
public sealed class FaultTests : ZeroCopyTest
{
    [Fact]
    public async Task Get_FileTruncatedInMidResponse_IsBrokenOff()
    {
        using var neighbour = await RawClient.ConnectAsync(Cache.Url);
        await WorksAsync(neighbour);
        using var client = await AskForLargeAsync();

        using (var file = new FileStream(Cache.Store.PathOf(Large.Digest), FileMode.Open, FileAccess.Write, FileShare.ReadWrite)) file.SetLength(16 << 20);

        IsBrokenOff(await client.ReadRestAsync());
        await IsToldAsync();
        (await Cache.GetBlobAsync(Large)).Is(Large.Bytes);   // fetched again
        await WorksAsync(neighbour);
    }

    [Fact]
    public async Task Get_DeviceFailsInMidResponse_IsBrokenOff()
    {
        using var neighbour = await RawClient.ConnectAsync(Cache.Url);
        Calls.BeforeFile = (_, offset) => offset > 8 << 20 ? SocketCalls.DeviceFailed : 0;
        using var client = await RawClient.ConnectAsync(Cache.Url);
        await client.SendAsync("GET", PathOf(Large));

        IsBrokenOff(await client.ReadRestAsync());

        await IsToldAsync();
        await WorksAsync(neighbour);
        var metrics = await Cache.MetricsAsync(metrics => metrics.Sum("entrepot_requests_total", "source=\"failed\"") == 1);
        Assert.InRange(metrics.Sum("entrepot_served_bytes_total", "source=\"failed\""), 8 << 20, LargeSize - 1);
    }

    [Fact]
    public async Task Get_CallsInterrupted_AreMadeAgain()
    {
        var calls = 0;
        Calls.BeforeFile = (_, _) => Interlocked.Increment(ref calls) % 2 == 0 ? SocketCalls.Interrupted : 0;
        using var client = await RawClient.ConnectAsync(Cache.Url);

        await WorksAsync(client);

        Assert.True(calls > 1);
        await WorksAsync(client);
    }

    [Fact]
    public async Task Get_SystemRefusesFiles_IsCopiedFromThenOn()
    {
        var calls = 0;
        var before = Counts.Sent;
        Calls.BeforeFile = (_, _) =>
        {
            Interlocked.Increment(ref calls);
            return SocketCalls.Refused;
        };
        using var client = await RawClient.ConnectAsync(Cache.Url);

        await WorksAsync(client);
        await WorksAsync(client);

        Assert.Equal(1, calls);
        Assert.Equal(before, Counts.Sent);
    }

    [Fact]
    public async Task Get_ClientResets_IsCountedAsFarAsItCame()
    {
        using var neighbour = await RawClient.ConnectAsync(Cache.Url);
        await WorksAsync(neighbour);
        var before = await Cache.MetricsAsync(metrics => metrics.Sum("entrepot_requests_total") >= 4);
        var client = await AskForLargeAsync();
        await client.ReadAsync(1_000_000);

        client.Abort();

        var after = await Cache.MetricsAsync(metrics => metrics.Sum("entrepot_requests_total") > before.Sum("entrepot_requests_total"));
        Assert.InRange(after.Sum("entrepot_served_bytes_total") - before.Sum("entrepot_served_bytes_total"), 1_000_000, LargeSize - 1);
        Assert.DoesNotContain(Lines.All, line => !line.StartsWith("Information", StringComparison.Ordinal));
        await WorksAsync(neighbour);
    }

    [Fact]
    public async Task Get_SocketClosedBesideTheCall_SendsToNobodyElse()
    {
        using var neighbour = await RawClient.ConnectAsync(Cache.Url);
        await WorksAsync(neighbour);
        var strangers = new List<Socket>();
        var isDone = 0;
        Calls.BeforeFile = (socket, offset) =>
        {
            if (offset <= 4 << 20 || Interlocked.Exchange(ref isDone, 1) != 0) return 0;

            // As an abort does; then others get the number that it had.
            socket.Dispose();
            for (var count = 0; count < 20; count++) strangers.Add(new Socket(SocketType.Stream, ProtocolType.Tcp));
            return 0;
        };

        using var client = await RawClient.ConnectAsync(Cache.Url);
        await client.SendAsync("GET", PathOf(Large));
        IsBrokenOff(await client.ReadRestAsync());

        await WorksAsync(neighbour);
        strangers.ForEach(stranger => stranger.Dispose());
    }

    [Fact]
    public async Task Get_ManyAbortsUnderDescriptorChurn_HarmNobodyElse()
    {
        using var isOver = new CancellationTokenSource();
        var churn = Task.Run(() =>
        {
            while (!isOver.IsCancellationRequested)
            {
                using var file = File.OpenHandle(Cache.Store.PathOf(Other.Digest));
                using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
            }
        });
        var neighbours = Enumerable.Range(0, 2).Select(_ => Task.Run(async () =>
        {
            using var client = await RawClient.ConnectAsync(Cache.Url);
            while (!isOver.IsCancellationRequested) await WorksAsync(client);
        })).ToList();

        await Task.WhenAll(Enumerable.Range(0, 4).Select(async seed =>
        {
            var random = new Random(seed);
            for (var time = 0; time < 40; time++)
            {
                var client = await AskForLargeAsync();
                var bytes = await client.ReadAsync(1 + random.Next(300_000));
                Assert.True(Large.Bytes.AsSpan(0, bytes.Length).SequenceEqual(bytes));
                client.Abort();
            }
        }));
        await isOver.CancelAsync();
        await churn;
        await Task.WhenAll(neighbours);
        (await Cache.GetBlobAsync(Large)).Is(Large.Bytes);
    }

    private Task IsToldAsync() => Appliance.UntilAsync(
        () => Task.FromResult(Lines.All.Any(line => line.StartsWith("Error: ", StringComparison.Ordinal) && line.Contains(PathOf(Large), StringComparison.Ordinal))),
        () => $"the log says {string.Join('\n', Lines.All)}");
}
