using System.Text;
using Entrepot.Oci;
using Entrepot.Pull;
using Entrepot.Tests.Kit;
using Microsoft.Extensions.Time.Testing;

namespace Entrepot.Tests.Pull;

/// <summary>How long a known tag waits for its upstream, on a clock that the test moves, and what becomes of the answer.</summary>
public sealed class FreshnessWaitTests : IAsyncLifetime
{
    private static readonly byte[] One = Encoding.UTF8.GetBytes("""{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json"}""");
    private static readonly byte[] Two = Encoding.UTF8.GetBytes("""{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}""");
    private static readonly Reference Tag = PullKit.Of("3.20");
    private static readonly TimeSpan Tick = TimeSpan.FromTicks(1);

    private readonly FakeTimeProvider _clock = new();
    private readonly MemoryIndex _index = new();
    private readonly ScriptedUpstream _upstream = new() { Freshness = new() };
    private readonly TaskCompletionSource<Answer<ManifestInfo>> _answer = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public FreshnessWaitTests()
    {
        var store = new MemoryBlobStore();
        Fetches = new FetchTable(store, _clock, 100);
        Pulls = new PullThrough(store, _index, Fetches, new MemoryCache(1 << 20), [_upstream], _clock, (_, fault) => Assert.Fail(fault.ToString()));
    }

    private FetchTable Fetches { get; }

    private PullThrough Pulls { get; }

    // A tag that is known and past its time, and an upstream that answers when the test says.
    public async Task InitializeAsync()
    {
        _upstream.HeadManifest = (_, _) => ScriptedUpstream.Say<ManifestInfo>(Info(One));
        _upstream.GetManifest = (reference, _) =>
            ScriptedUpstream.Say<ReceivedManifest>(new ReceivedManifest(reference.Digest == Digest.Of(One) ? One : Two, MediaTypes.OciManifest, null));
        Assert.Equal(PullSource.Fetched, (await PullAsync()).Source);
        _clock.Advance(_upstream.TagTtl);
        _upstream.Requests.Clear();
        _upstream.HeadManifest = (_, cancel) => _answer.Task.WaitAsync(cancel);
    }

    public async Task DisposeAsync()
    {
        await Pulls.DisposeAsync();
        await Fetches.DisposeAsync();
    }

    [Fact]
    public async Task Get_UpstreamIsSlow_IsStaleAfterExactlyTheWait()
    {
        var pull = PullAsync();
        _clock.Advance(_upstream.Freshness.RevalidateWait - Tick);
        Assert.False(pull.IsCompleted);

        _clock.Advance(Tick);

        var pulled = await pull;
        Assert.Equal((PullSource.Stale, "slow"), (pulled.Source, pulled.Detail));
        Assert.Equal(One, pulled.Content!.Bytes.ToArray());
    }

    [Theory]
    [InlineData(0, 2)]
    [InlineData(2, 2)]
    [InlineData(5, 5)]
    public async Task Get_ImageIsNotWholeAndUpstreamIsSlow_IsToldSoAfterAShortWait(int wait, int seconds)
    {
        var config = Digest.Of("config"u8);
        var image = Encoding.UTF8.GetBytes($$"""
            {"schemaVersion":2,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{{config}}","size":6},
             "layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"{{Digest.Of("layer"u8)}}","size":5}]}
            """);
        var tag = PullKit.Of("half");
        _upstream.Freshness = _upstream.Freshness with { RevalidateWait = TimeSpan.FromSeconds(wait) };
        _upstream.HeadManifest = (_, _) => ScriptedUpstream.Say<ManifestInfo>(Info(image));
        _upstream.GetManifest = (_, _) => ScriptedUpstream.Say<ReceivedManifest>(new ReceivedManifest(image, MediaTypes.OciManifest, null));
        Assert.Equal(PullSource.Fetched, (await Pulls.GetManifestAsync(tag, headOnly: false, default)).Source);
        _clock.Advance(_upstream.TagTtl);
        _upstream.HeadManifest = (_, cancel) => _answer.Task.WaitAsync(cancel);

        var pull = Pulls.GetManifestAsync(tag, headOnly: false, default).Soon();
        _clock.Advance(TimeSpan.FromSeconds(seconds) - Tick);
        Assert.False(pull.IsCompleted);
        _clock.Advance(Tick);
        var told = (await pull).Error!;

        Assert.Equal(504, told.Status);
        Assert.Contains(config.ToString(), told.Detail, StringComparison.Ordinal);
        _answer.SetResult(Info(image));
        Assert.Equal(image, (await Pulls.GetManifestAsync(tag, headOnly: false, default)).Content!.Bytes.ToArray());
    }

    [Fact]
    public async Task Get_AfterASlowAnswerCame_HasWhatItSaid()
    {
        await SlowAsync();
        await SlowAsync();
        _answer.SetResult(Info(Two));

        // The revalidation may still be under way, and is then joined.
        var pulled = await PullAsync();

        Assert.Equal(Two, pulled.Content!.Bytes.ToArray());
        Assert.Equal(["HEAD manifest 3.20", $"GET manifest {Digest.Of(Two)}"], _upstream.Requests);
        Assert.Equal(PullSource.Hit, (await PullAsync()).Source);
    }

    [Fact]
    public async Task Get_CallerCancelled_TheRevalidationGoesOnAndIsNotRunTwice()
    {
        using var left = new CancellationTokenSource();
        var first = Pulls.GetManifestAsync(Tag, headOnly: false, left.Token);
        await left.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => first.Soon());

        var second = PullAsync();
        _answer.SetResult(Info(Two));

        Assert.Equal(Two, (await second).Content!.Bytes.ToArray());
        Assert.Single(_upstream.Requests, "HEAD manifest 3.20");
    }

    [Fact]
    public async Task Get_SlowUpstreamSaysGone_TheNextIsToldSo()
    {
        await SlowAsync();
        var second = PullAsync();
        _answer.SetResult(RegistryError.ManifestUnknown);

        Assert.Equal(PullSource.Missing, (await second).Source);
        Assert.Equal(PullSource.Missing, (await PullAsync()).Source);
        Assert.Null(_index.FindTag(Tag));
        Assert.Single(_upstream.Requests);
    }

    [Fact]
    public async Task Get_SlowUpstreamSaidNo_IsNotServedStaleUntilItSaysOtherwise()
    {
        await SlowAsync();
        var second = PullAsync();
        _answer.SetResult(RegistryError.Denied);
        Assert.Equal(PullSource.Denied, (await second).Source);

        var again = new TaskCompletionSource<Answer<ManifestInfo>>(TaskCreationOptions.RunContinuationsAsynchronously);
        _upstream.HeadManifest = (_, cancel) => again.Task.WaitAsync(cancel);
        var third = PullAsync();
        _clock.Advance(TimeSpan.FromHours(1));
        Assert.False(third.IsCompleted);

        again.SetResult(Info(One));
        Assert.Contains((await third).Source, (PullSource[])[PullSource.Revalidated, PullSource.Joined]);
    }

    [Fact]
    public async Task Get_TagOlderThanStaleIfError_WaitsForTheUpstream()
    {
        _upstream.Freshness = _upstream.Freshness with { StaleIfError = _upstream.TagTtl };
        var pull = PullAsync();
        _clock.Advance(TimeSpan.FromHours(1));
        Assert.False(pull.IsCompleted);

        _answer.SetResult(RegistryError.Silent("scripted"));

        Assert.Equal(504, (await pull).Error!.Status);
    }

    [Fact]
    public async Task Get_AnotherRequestHasJustAsked_DoesNotAskAgain()
    {
        var pulls = Enumerable.Range(0, 50).Select(_ => PullAsync()).ToList();
        _answer.SetResult(Info(One));

        Assert.All(await Task.WhenAll(pulls), one => Assert.Equal(One, one.Content!.Bytes.ToArray()));
        Assert.Single(_upstream.Requests);
    }

    [Fact]
    public async Task DisposeAsync_RevalidationThatNobodyWaitsFor_EndsBeforeIt()
    {
        var pulls = new PullThrough(new MemoryBlobStore(), _index, Fetches, new MemoryCache(1 << 20), [_upstream], _clock, (_, fault) => Assert.Fail(fault.ToString()));
        _upstream.HeadManifest = (_, _) => _answer.Task;
        using var left = new CancellationTokenSource();
        var pull = pulls.GetManifestAsync(Tag, headOnly: false, left.Token);
        await left.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => pull.Soon());

        var disposed = pulls.DisposeAsync().AsTask();
        Assert.False(disposed.IsCompleted);
        _answer.SetResult(Info(One));
        await disposed.Soon();

        Assert.Equal(_clock.GetUtcNow(), _index.FindTag(Tag)!.ValidatedAt);
    }

    private static ManifestInfo Info(byte[] manifest) => new(Digest.Of(manifest), MediaTypes.OciManifest, manifest.Length);

    private Task<Pulled<ManifestContent>> PullAsync() => Pulls.GetManifestAsync(Tag, headOnly: false, default).Soon();

    private async Task SlowAsync()
    {
        var pull = PullAsync();
        _clock.Advance(_upstream.Freshness.RevalidateWait);
        Assert.Equal("slow", (await pull).Detail);
    }
}
