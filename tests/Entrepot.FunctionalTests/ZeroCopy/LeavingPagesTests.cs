using System.Runtime.InteropServices;
using Entrepot.FunctionalTests.Kit;
using Entrepot.Server.ZeroCopy;
using Entrepot.Storage;
using Microsoft.Win32.SafeHandles;

namespace Entrepot.FunctionalTests.ZeroCopy;

/// <summary>What was in memory when a flush began may have left it by the time that the client takes more.</summary>
public sealed class LeavingPagesTests : ZeroCopyTest
{
    private readonly AheadClock _clock = new();

    internal override Setup Setup => base.Setup with { Clock = _clock };

    [Fact]
    public async Task Get_PagesLeaveWhileTheClientIsWaitedFor_AreInMemoryAgainBeforeTheyAreSent()
    {
        using var file = File.OpenHandle(Cache.Store.PathOf(Large.Digest));
        var (calls, cold) = (0, 0);
        Calls.BeforeFile = (socket, offset) =>
        {
            var lastOfFlush = (offset / SocketOutput.MostFileBytes + 1) * SocketOutput.MostFileBytes - 1;
            if (offset < 4 << 20 || ++calls > 2) return 0;
            if (calls == 2)
            {
                cold = PageCache.Held(file, lastOfFlush, 1) > 0 ? 0 : 1;
                return 0;
            }

            // The socket is full, and stays so for a second; on a file system that keeps its files in memory nothing leaves.
            _ = Advise(file, 0, 0, 4);   // POSIX_FADV_DONTNEED
            _clock.Advance(TimeSpan.FromSeconds(1));
            return SocketCalls.WouldBlock;
        };
        using var client = await RawClient.ConnectAsync(Cache.Url);
        await client.SendAsync("GET", PathOf(Large));

        var (bytes, clean) = await client.ReadRestAsync();

        Assert.True(clean && Large.Bytes.AsSpan().SequenceEqual(bytes));
        Assert.True(calls >= 2);
        Assert.Equal(0, cold);
        await WorksAsync(client);
    }

    [DllImport("libc", EntryPoint = "posix_fadvise")]
    private static extern int Advise(SafeFileHandle file, long offset, long count, int advice);

    // The real time, moved ahead also for who measures it.
    private sealed class AheadClock : TimeProvider
    {
        private long _ahead;

        public void Advance(TimeSpan time) => Interlocked.Add(ref _ahead, (long)(time.TotalSeconds * TimestampFrequency));

        public override long GetTimestamp() => base.GetTimestamp() + Interlocked.Read(ref _ahead);
    }
}
