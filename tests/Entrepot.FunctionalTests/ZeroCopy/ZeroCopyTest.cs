using Entrepot.FunctionalTests.Kit;
using Entrepot.FunctionalTests.Registry;
using Entrepot.Server.ZeroCopy;

namespace Entrepot.FunctionalTests.ZeroCopy;

/// <summary>A cache that has stored two blobs, one of them larger than sockets hold.</summary>
public abstract class ZeroCopyTest : IAsyncLifetime
{
    internal const int LargeSize = 24 << 20;

    internal TestRegistry Registry { get; } = new();

    internal ScriptedCalls Calls { get; } = new();

    internal LogLines Lines { get; } = new();

    internal TestBlob Large { get; } = TestBlob.Random(LargeSize, seed: 600);

    internal TestBlob Other { get; } = TestBlob.Random(700_000, seed: 601);

    internal Appliance Cache { get; private set; } = null!;

    /// <summary>What is sent of files from the test's beginning.</summary>
    internal ZeroCopyCounts Counts => Cache.Host.FileBytes;

    internal virtual Setup Setup => new() { Calls = Calls, Log = Lines.Log };

    public async Task InitializeAsync()
    {
        Cache = await Appliance.StartAsync(Registry, Setup);
        foreach (var blob in (TestBlob[])[Large, Other])
        {
            Registry.Content.AddBlob(blob);
            (await Cache.GetBlobAsync(blob)).Is(blob.Bytes);
            await Cache.StoredAsync(blob.Digest);
        }

        await Cache.IdleAsync();
        // The client has its last byte before that is counted among the files' bytes; a request is counted after both.
        await Cache.MetricsAsync(metrics => metrics.Sum("entrepot_requests_total") >= 2);
    }

    public async Task DisposeAsync()
    {
        await Cache.DisposeAsync();
        await Registry.DisposeAsync();
    }

    internal static string PathOf(TestBlob blob) => Appliance.PathOf(blob.Digest);

    /// <summary>A client that has asked for the large blob, read its head and nothing more.</summary>
    internal async Task<RawClient> AskForLargeAsync()
    {
        var client = await RawClient.ConnectAsync(Cache.Url, receiveBuffer: 4096);
        var (status, _) = await client.SendAsync("GET", PathOf(Large));
        Assert.Equal(200, status);
        return client;
    }

    /// <summary>Asserts that a connection is of use: right bytes of another blob, and then some of the large one.</summary>
    internal async Task WorksAsync(RawClient client)
    {
        await client.SendAsync("GET", PathOf(Other));
        var (bytes, clean) = await client.ReadRestAsync();
        Assert.True(clean && Other.Bytes.AsSpan().SequenceEqual(bytes));
        await client.SendAsync("GET", PathOf(Large), ("Range", "bytes=1000000-2999999"));
        (bytes, clean) = await client.ReadRestAsync();
        Assert.True(clean && Large.Bytes.AsSpan(1_000_000, 2_000_000).SequenceEqual(bytes));
    }

    /// <summary>Asserts that a body was broken off, and that what came of it is right.</summary>
    internal void IsBrokenOff((byte[] Bytes, bool Clean) got)
    {
        Assert.False(got.Clean);
        Assert.InRange(got.Bytes.Length, 0, LargeSize - 1);
        Assert.True(Large.Bytes.AsSpan(0, got.Bytes.Length).SequenceEqual(got.Bytes));
    }
}
