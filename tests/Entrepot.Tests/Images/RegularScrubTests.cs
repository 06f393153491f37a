using System.Collections.Concurrent;
using Entrepot.Oci;
using Entrepot.Pull;
using Entrepot.Tests.Kit;
using Microsoft.Extensions.Time.Testing;

namespace Entrepot.Tests.Images;

/// <summary>When scrubs begin, how fast they read, and where they go on, on a clock of the test's.</summary>
public sealed class RegularScrubTests : IAsyncDisposable
{
    private static readonly TimeSpan Week = TimeSpan.FromDays(7);
    private static readonly DateTimeOffset Start = new(2026, 1, 2, 3, 4, 5, TimeSpan.Zero);

    private readonly FakeTimeProvider _clock = new(Start);
    private readonly MemoryBlobStore _store = new();
    private readonly MemoryIndex _index = new();
    private readonly ConcurrentQueue<Digest> _restored = new();
    private readonly ConcurrentQueue<Exception> _failed = new();
    private readonly CancellationTokenSource _end = new();
    private int _ended;
    private ScrubMark? _saved;
    private Task _running = Task.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        await _end.CancelAsync();
        await _running.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _end.Dispose();
    }

    [Fact]
    public async Task Run_StoreThatNeverHadOne_BeginsAfterAWholePeriod()
    {
        Put(1000);
        var scrub = Begin(mark: null);

        Assert.Equal(Start + Week, scrub.State.Next);
        await AdvanceAsync(Week - TimeSpan.FromMinutes(1), TimeSpan.FromHours(12));
        Assert.Equal(0, _ended);

        await UntilEndedAsync(TimeSpan.FromSeconds(10));
        Assert.Equal(scrub.State.Mark.Began + Week, scrub.State.Next);
        Assert.True(scrub.State.Mark.Began >= Start + Week);
    }

    [Fact]
    public async Task Run_Wrong_IsDroppedAndToldBeforeTheNext()
    {
        var wrong = Put(100);
        Put(100);
        _store.Spoil(wrong, new byte[100]);
        Begin(Due);

        await UntilEndedAsync(TimeSpan.FromSeconds(1));

        Assert.Equal([wrong], _restored);
        Assert.False(_store.Contains(wrong));
    }

    [Fact]
    public async Task Run_Rate_IsKept()
    {
        for (var i = 0; i < 10; i++) Put(1000);
        Begin(Due, new ScrubRules(Week, 500));   // 10,000 bytes: 20 s

        await UntilEndedAsync(TimeSpan.FromMilliseconds(250));

        Assert.True(_clock.GetUtcNow() - Start >= TimeSpan.FromSeconds(20), $"it took {_clock.GetUtcNow() - Start}");
    }

    [Fact]
    public async Task Run_AfterARestart_GoesOnBehindWhereItWas()
    {
        var digests = Enumerable.Range(0, 4).Select(_ => Put(100)).Order(Comparer<Digest>.Create(Digest.Compare)).ToList();
        foreach (var digest in digests) _store.Spoil(digest, new byte[100]);
        var scrub = Begin(new ScrubMark(Start - TimeSpan.FromDays(1), digests[1], null));

        await UntilEndedAsync(TimeSpan.FromSeconds(1));

        Assert.Equal(digests[2..], _restored);
        Assert.Equal(Start - TimeSpan.FromDays(1), scrub.State.Mark.Began);
        Assert.Null(_saved!.After);
    }

    [Fact]
    public async Task Run_Ended_RemembersWhereItWas()
    {
        for (var i = 0; i < 4; i++) Put(1000);
        var scrub = Begin(Due, new ScrubRules(Week, 1000));
        await UntilAsync(() => scrub.State.Running is { Blobs: >= 1 }, TimeSpan.FromMilliseconds(100));

        await _end.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => _running.Soon());

        Assert.NotNull(_saved!.After);
        Assert.Null(_saved.Ended);
    }

    [Fact]
    public async Task Rules_Unlimited_NeverBegins()
    {
        Put(100);
        var scrub = Begin(mark: null, new ScrubRules(Timeout.InfiniteTimeSpan, 1e6));

        await AdvanceAsync(10 * Week, Week);
        Assert.Equal((0, null), (_ended, scrub.State.Next));

        scrub.Rules = new ScrubRules(Week, 1e6);
        await UntilEndedAsync(TimeSpan.FromSeconds(10));
    }

    private static ScrubMark Due => new(Start - Week, null, Start - Week);

    private RegularScrub Begin(ScrubMark? mark, ScrubRules? rules = null)
    {
        var scrub = new Scrub(_store, _index, (_, fault) => _failed.Enqueue(fault))
        {
            Dropped = (digest, _) =>
            {
                _restored.Enqueue(digest);
                return Task.CompletedTask;
            },
        };
        var regular = new RegularScrub(scrub, rules ?? new ScrubRules(Week, 1e6), mark, saved => _saved = saved, _clock)
        {
            Ended = (_, _) => Interlocked.Increment(ref _ended),
            Failed = _failed.Enqueue,
        };
        _running = Task.Run(() => regular.RunAsync(_end.Token));
        return regular;
    }

    private Task UntilEndedAsync(TimeSpan step) => UntilAsync(() => Volatile.Read(ref _ended) > 0, step);

    private async Task UntilAsync(Func<bool> condition, TimeSpan step)
    {
        var began = TimeProvider.System.GetTimestamp();
        while (!condition())
        {
            Assert.True(TimeProvider.System.GetElapsedTime(began) < TimeSpan.FromSeconds(20), "it takes too long");
            _clock.Advance(step);
            await Task.Yield();
        }
    }

    // In steps, so that what runs on the pool has its turn between them.
    private async Task AdvanceAsync(TimeSpan time, TimeSpan step)
    {
        for (var gone = TimeSpan.Zero; gone < time; gone += step)
        {
            _clock.Advance(step);
            await Task.Yield();
        }
    }

    private Digest Put(int size)
    {
        var content = new byte[size];
        Random.Shared.NextBytes(content);
        _index.AddBlob(Digest.Of(content), new BlobRecord(size, Start));
        return _store.Put(content);
    }
}
