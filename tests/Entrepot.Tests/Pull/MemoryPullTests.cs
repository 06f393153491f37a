using System.Text;
using Entrepot.Oci;
using Entrepot.Pull;
using Entrepot.Tests.Kit;
using Entrepot.Tests.Storage.Index;

namespace Entrepot.Tests.Pull;

/// <summary>Answers that are given at once, from memory: which there are, and when there are none any more.</summary>
public sealed class MemoryPullTests : IAsyncLifetime
{
    private static readonly byte[] Image = Encoding.UTF8.GetBytes($$"""{"schemaVersion":2,"mediaType":"{{MediaTypes.OciManifest}}"}""");
    private static readonly byte[] Other = Encoding.UTF8.GetBytes($$"""{"schemaVersion":2,"mediaType":"{{MediaTypes.OciIndex}}","manifests":[]}""");
    private static readonly Digest Name = Digest.Of(Image);
    private static readonly Reference Tag = PullKit.Of("3.20");
    private static readonly Reference ByDigest = Tag.At(Name);

    private readonly PullKit _kit = new();
    private readonly TaskCompletionSource _disk = new();
    private Task? _end;

    public async Task InitializeAsync()
    {
        _kit.Store.StoredAt = _kit.Clock.Now;
        await StoreAsync(Image, Tag, MediaTypes.OciManifest);
        Assert.Equal(PullSource.Hit, (await _kit.ManifestAsync(Tag)).Source);
    }

    public Task DisposeAsync()
    {
        _disk.TrySetResult();
        return EndAsync();
    }

    [Theory]
    [InlineData(true, true)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    [InlineData(false, false)]
    public void TryGetManifest_DiskIsStuck_IsAnsweredAllTheSame(bool byTag, bool headOnly)
    {
        StickDisk();

        Assert.True(_kit.Pulls.TryGetManifest(byTag ? Tag : ByDigest, headOnly, out var pulled));

        Assert.Equal((PullSource.Hit, Name, MediaTypes.OciManifest, Image.Length), (pulled.Source, pulled.Content!.Digest, pulled.Content.MediaType, pulled.Content.Size));
        Assert.Equal(Name.ToString(), pulled.Content.Name);
        if (!headOnly) Assert.Equal(Image, pulled.Content.Bytes.ToArray());
        Assert.Equal(byTag ? _kit.Index.FindTag(Tag)!.ValidatedAt : _kit.Index.FindBlob(Name)!.Value.StoredAt, pulled.AsOf);
        Assert.Empty(_kit.Upstream.Requests);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void TryGetManifest_TagIsNotFreshAnyMore_IsNotKnown(bool headOnly)
    {
        _kit.Clock.Now += _kit.Upstream.TagTtl;

        Assert.False(_kit.Pulls.TryGetManifest(Tag, headOnly, out _));
        Assert.True(_kit.Pulls.TryGetManifest(ByDigest, headOnly, out _));
    }

    [Fact]
    public async Task TryGetManifest_TagMoved_IsWhatItMeansNow()
    {
        await StoreAsync(Other, Tag, MediaTypes.OciIndex);

        Assert.False(_kit.Pulls.TryGetManifest(Tag, false, out _));   // not in memory yet
        await _kit.ManifestAsync(Tag);

        Assert.True(_kit.Pulls.TryGetManifest(Tag, false, out var pulled));
        Assert.Equal(Other, pulled.Content!.Bytes.ToArray());
        Assert.Equal(MediaTypes.OciIndex, pulled.Content.MediaType);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void TryGetManifest_UpstreamIsDown_IsNotKnown(bool headOnly)
    {
        _kit.Upstream.IsDown = true;

        Assert.False(_kit.Pulls.TryGetManifest(Tag, headOnly, out _));
        Assert.False(_kit.Pulls.TryGetManifest(ByDigest, headOnly, out _));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void TryGetManifest_TheStoreLetItGo_IsNotKnownAndTakesNoMemory(bool headOnly)
    {
        Assert.NotEqual(0, _kit.Memory.Bytes);

        _kit.Index.RemoveBlob(Name);

        Assert.False(_kit.Pulls.TryGetManifest(ByDigest, headOnly, out _));
        Assert.False(_kit.Pulls.TryGetManifest(Tag, headOnly: false, out _));
        Assert.Equal(0, _kit.Memory.Bytes);
    }

    [Fact]
    public async Task TryGetManifest_NoManifestAnyMore_IsNotKnown()
    {
        await _kit.Index.RemoveManifestAsync(ByDigest, isLast: true, default);

        Assert.False(_kit.Pulls.TryGetManifest(ByDigest, false, out _));
    }

    [Fact]
    public async Task GetManifest_UpstreamIsDown_NeedsNoDiskForTheBytes()
    {
        _kit.Upstream.IsDown = true;
        StickDisk();

        Assert.Equal(Image, (await _kit.ManifestAsync(ByDigest)).Content!.Bytes.ToArray());
    }

    [Fact]
    public async Task TryGetManifest_ServedOftenWithinAnInterval_TouchesItOnce()
    {
        for (var i = 0; i < 100; i++) Assert.True(_kit.Pulls.TryGetManifest(i % 3 == 0 ? Tag : ByDigest, i % 2 == 0, out _));

        await EndAsync();
        Assert.Equal(1, _kit.Store.Touched.Count(digest => digest == Name));
    }

    [Fact]
    public async Task Dispose_DiskIsStuckWhileUsesAreMarked_DoesNotWaitForIt()
    {
        await _kit.Pulls.MarkedAsync();
        _kit.Clock.Now += RecentTouches.Interval;
        StickDisk();
        Assert.True(_kit.Pulls.TryGetManifest(ByDigest, false, out _));

        await EndAsync();

        Assert.False(_disk.Task.IsCompleted);
        Assert.Equal(2, _kit.Store.Touched.Count(digest => digest == Name));
    }

    [Fact]
    public async Task TryGetManifest_ByATagWhoseManifestIsNotInMemory_TouchesItForAHead()
    {
        await StoreAsync(Other, Tag, MediaTypes.OciIndex);

        Assert.True(_kit.Pulls.TryGetManifest(Tag, headOnly: true, out _));

        await EndAsync();
        Assert.Contains(Digest.Of(Other), _kit.Store.Touched);
    }

    [Fact]
    public async Task TryGetBlob_SmallOneWasServedWhole_IsInMemory()
    {
        var digest = await ServedAsync(MemoryCache.LargestBlob);
        StickDisk();

        Assert.True(_kit.Pulls.TryGetBlob(digest, false, out var pulled));

        Assert.True(digest.Matches(pulled.Content!.Bytes.Span));
        Assert.Equal((PullSource.Hit, digest.ToString()), (pulled.Source, pulled.Content.Name));
    }

    [Fact]
    public async Task TryGetBlob_LargeOne_IsKnownByItsSizeAlone()
    {
        var digest = await ServedAsync(MemoryCache.LargestBlob + 1);
        StickDisk();

        Assert.False(_kit.Pulls.TryGetBlob(digest, false, out _));
        Assert.True(_kit.Pulls.TryGetBlob(digest, headOnly: true, out var pulled));
        Assert.Equal(MemoryCache.LargestBlob + 1, pulled.Content!.Size);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task TryGetBlob_TheStoreLetItGo_IsNotKnown(bool headOnly)
    {
        var digest = await ServedAsync(100);

        _kit.Index.RemoveBlob(digest);

        Assert.False(_kit.Pulls.TryGetBlob(digest, headOnly, out _));
    }

    [Fact]
    public async Task TryGetBlob_Served_TouchesItAndLooksForItsFile()
    {
        var digest = await ServedAsync(100);
        var gone = new TaskCompletionSource<Digest>();
        _kit.Store.Missed = gone.SetResult;
        _kit.Store.Remove(digest);
        _kit.Store.Touched.Clear();

        Assert.True(_kit.Pulls.TryGetBlob(digest, false, out _));

        Assert.Equal(digest, await gone.Task.Soon());
        Assert.Contains(digest, _kit.Store.Touched);
    }

    [Fact]
    public async Task TryGet_FromTheRealIndex_AllocatesNothing()
    {
        await using var folder = new IndexFolder();
        var index = folder.Index;
        var memory = new MemoryCache(1 << 20);
        index.AddBlob(Name, new BlobRecord(Image.Length, folder.Clock.GetUtcNow()));
        await index.AddManifestAsync(ByDigest, MediaTypes.OciManifest, default);
        memory.Add(Name, Image);
        var pull = new MemoryPull(index, memory, folder.Clock);
        Assert.True(pull.TryGet(ByDigest, false, _kit.Upstream, out _));
        Assert.True(pull.TryGet(Name, false, out _));

        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 1000; i++)
        {
            pull.TryGet(ByDigest, false, _kit.Upstream, out _);
            pull.TryGet(Name, false, out _);
            pull.ShouldTouch(Name);
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    // Whoever asks it now waits for ever.
    private void StickDisk() => _kit.Store.Look = _disk.Task;

    // Waits for the marking, too.
    private Task EndAsync() => _end ??= _kit.EndAsync();

    private async Task StoreAsync(byte[] manifest, Reference tag, string mediaType)
    {
        var digest = _kit.Store.Put(manifest);
        _kit.Index.AddBlob(digest, new BlobRecord(manifest.Length, _kit.Clock.Now.AddMinutes(-5)));
        await _kit.Index.AddManifestAsync(tag.At(digest), mediaType, default);
        await _kit.Index.SetTagAsync(tag, new TagRecord(digest, mediaType, manifest.Length, _kit.Clock.Now), default);
    }

    private async Task<Digest> ServedAsync(int size)
    {
        var content = new byte[size];
        var digest = _kit.Store.Put(content);
        _kit.Index.AddBlob(digest, new BlobRecord(size, _kit.Clock.Now));
        var got = await _kit.BlobAsync(digest);
        await using var blob = got.Content!;
        Assert.Equal(content, await blob.Blob!.ReadAllAsync(default));
        return digest;
    }
}
