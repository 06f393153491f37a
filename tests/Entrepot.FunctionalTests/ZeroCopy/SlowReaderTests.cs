using System.Net.Sockets;
using Entrepot.FunctionalTests.Kit;
using Entrepot.FunctionalTests.Registry;

namespace Entrepot.FunctionalTests.ZeroCopy;

/// <summary>With sockets that hold little, so that the server waits for the client's pace.</summary>
public sealed class SlowReaderTests : ZeroCopyTest
{
    private const int SocketBytes = 32 << 10;

    internal override Setup Setup => base.Setup with { Options = options => options with { MinRate = 12_000 } };

    [Theory]
    [InlineData(300_000, 3_000_000)]
    [InlineData(20_000, 240_000)]
    public async Task Get_SlowButHonest_GetsAllOfIt(int bytesPerSecond, int size)
    {
        Calls.BeforeFile = HoldLittle;
        using var client = await RawClient.ConnectAsync(Cache.Url, receiveBuffer: 4096);
        using var neighbour = await RawClient.ConnectAsync(Cache.Url);
        await client.SendAsync("GET", PathOf(Large), ("Range", $"bytes=0-{size - 1}"));

        var pace = new Pace();
        pace.Begin(bytesPerSecond);
        for (var done = 0; done < size;)
        {
            var count = Math.Min(4000, size - done);
            await pace.WaitAsync(count, CancellationToken.None);
            var bytes = await client.ReadAsync(count);
            Assert.True(Large.Bytes.AsSpan(done, count).SequenceEqual(bytes));
            done += count;
        }

        await WorksAsync(client);
        await WorksAsync(neighbour);
    }

    private static int HoldLittle(SafeSocketHandle socket, long offset)
    {
        using var shared = new Socket(new SafeSocketHandle(socket.DangerousGetHandle(), ownsHandle: false));
        shared.SendBufferSize = SocketBytes;
        return 0;
    }
}
