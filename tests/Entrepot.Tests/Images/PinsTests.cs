using System.Text;
using Entrepot.Oci;
using Entrepot.Pull;
using Entrepot.Tests.Kit;

namespace Entrepot.Tests.Images;

/// <summary>What pins reach, over a store and an index in memory.</summary>
public sealed class PinsTests
{
    private static readonly Reference Tag = PullKit.Of("3.20");

    private readonly MemoryBlobStore _store = new();
    private readonly MemoryIndex _index = new();
    private readonly Digest _layer;
    private readonly Digest _late = Digest.Of("late layer"u8);
    private readonly byte[] _lateImage;
    private readonly Digest _image;
    private readonly Digest _root;

    public PinsTests()
    {
        _layer = _store.Put("layer"u8.ToArray());
        _image = _store.Put(Image(_layer));
        _lateImage = Image(_late);
        _root = _store.Put(Index(_image, Digest.Of(_lateImage)));
    }

    [Fact]
    public async Task Pin_AnIndex_HoldsItsManifestsAndTheBlobsOfThoseThatAreStored()
    {
        using var pins = await PinnedAsync();

        Assert.Equal(new HashSet<Digest> { _root, _image, _layer, Digest.Of(_lateImage) }, [.. _store.Pinned.Keys]);
        Assert.Equal([new(Tag, _root)], _index.Pins());
    }

    [Fact]
    public async Task Arrived_AChildManifest_HoldsWhatItNames()
    {
        using var pins = await PinnedAsync();
        _store.Put(_lateImage);

        await pins.ArrivedAsync(Digest.Of(_lateImage));

        Assert.Contains(_late, _store.Pinned);
        Assert.True(pins.Reaches(_late));
    }

    [Fact]
    public async Task Pin_AChildArrivesBetweenTheLookAndThePin_IsHeldAllTheSame()
    {
        // Told while the pin is being written, when nobody knows yet that it is awaited.
        _index.WritingPin = () => _store.Put(_lateImage);
        await _index.SetTagAsync(Tag, new TagRecord(_root, MediaTypes.OciIndex, 1, default), default);
        using var pins = new Pins(_store, _index);

        Assert.Null((await pins.PinAsync([Tag], default)).Objection);

        Assert.Contains(_late, _store.Pinned);
    }

    [Fact]
    public async Task Moved_ATag_HoldsTheNewBeforeItLetsGoOfTheOld()
    {
        using var pins = await PinnedAsync();
        var other = _store.Put(Image(_store.Put("other"u8.ToArray())));
        await _index.SetTagAsync(Tag, new TagRecord(other, MediaTypes.OciManifest, 1, default), default);

        await pins.MovedAsync(Tag, other);

        Assert.Equal(new HashSet<Digest> { other, Digest.Of("other"u8) }, [.. _store.Pinned.Keys]);
        Assert.Equal([new(Tag, other)], _index.Pins());
    }

    [Fact]
    public async Task Moved_ToWhatIsNotStoredYet_HoldsTheOldUntilThatArrives()
    {
        using var pins = await PinnedAsync();
        var before = _store.Pinned.Keys.ToHashSet();
        var other = Image(_store.Put("other"u8.ToArray()));
        await _index.SetTagAsync(Tag, new TagRecord(Digest.Of(other), MediaTypes.OciManifest, 1, default), default);

        await pins.MovedAsync(Tag, Digest.Of(other));
        Assert.Equal(before, [.. _store.Pinned.Keys]);

        _store.Put(other);
        await pins.ArrivedAsync(Digest.Of(other));
        Assert.Equal(new HashSet<Digest> { Digest.Of(other), Digest.Of("other"u8) }, [.. _store.Pinned.Keys]);
    }

    [Fact]
    public async Task Arrived_TheDiskRefusesForOnce_LetsGoOfNothing()
    {
        using var pins = await PinnedAsync();
        var before = _store.Pinned.Keys.ToHashSet();
        _store.Put(_lateImage);
        _store.OpenFault = new IOException("scripted");

        await Assert.ThrowsAsync<IOException>(() => pins.ArrivedAsync(Digest.Of(_lateImage)));

        Assert.Equal(before, [.. _store.Pinned.Keys]);
        _store.OpenFault = null;
        await pins.ArrivedAsync(Digest.Of(_lateImage));
        Assert.Contains(_late, _store.Pinned);
    }

    [Fact]
    public async Task Of_ATagThatIsGone_IsStillAPinOfWhatItMeant()
    {
        using var pins = await PinnedAsync();
        await _index.RemoveTagAsync(Tag, default);

        Assert.Equal([Tag], pins.Of(Tag.At(_root)));
        Assert.Empty(pins.Of(Tag.At(_image)));
        Assert.Empty(pins.Of(PullKit.Of(_root, "library/other")));
    }

    [Fact]
    public async Task Unpin_OneOfTwo_LetsGoOfWhatTheOtherDoesNotReach()
    {
        using var pins = await PinnedAsync();
        await pins.PinAsync([Tag.At(_image)], default);

        var change = Assert.Single(await pins.UnpinAsync(name => name == Tag, default));

        Assert.Equal((ImageFate.Unpinned, _root), (change.Fate, change.Digest));
        Assert.Equal(new HashSet<Digest> { _image, _layer }, [.. _store.Pinned.Keys]);
        Assert.Single(await pins.UnpinAsync(_ => true, default));
        Assert.Empty(_store.Pinned);
        Assert.Empty(_index.Pins());
    }

    [Fact]
    public async Task Pin_ManifestArrivesWhileItIsLookedFor_IsNotHeldWithoutItsLayers()
    {
        var image = Digest.Of(_lateImage);
        _store.Missed = missed => { if (missed == image) _store.Put(_lateImage); };
        using var pins = new Pins(_store, _index);

        var (objection, _) = await pins.PinAsync([PullKit.Of(image)], default);

        Assert.Contains("not completely cached", objection!.Message, StringComparison.Ordinal);
        Assert.Empty(_index.Pins());
        Assert.Empty(_store.Pinned);
    }

    [Fact]
    public async Task Arrived_WhileAManifestOfThePinIsMissing_LetsGoOfNothing()
    {
        using var pins = await PinnedAsync();
        _store.Remove(_image);   // as one that has rotted
        _store.Put(_lateImage);

        await pins.ArrivedAsync(Digest.Of(_lateImage));

        Assert.Contains(_layer, _store.Pinned);
        _store.Put(Image(_layer));
        await pins.ArrivedAsync(_image);
        Assert.True(pins.Reaches(_layer));
        Assert.True(pins.Reaches(_late));
    }

    [Fact]
    public async Task Pin_OneOfSeveralIsRefused_PinsNone()
    {
        await _index.SetTagAsync(Tag, new TagRecord(_root, MediaTypes.OciIndex, 1, default), default);
        using var pins = new Pins(_store, _index);

        var (objection, changes) = await pins.PinAsync([Tag, PullKit.Of("none")], default);

        Assert.Equal(404, objection!.Status);
        AssertNothingIsPinned(changes);
        AssertNothingIsPinned((await pins.PinAsync([PullKit.Of(Digest.Of(_lateImage))], default)).Changes);
    }

    [Fact]
    public async Task Pin_NoRoom_SaysHowMuchIsMissing()
    {
        await _index.SetTagAsync(Tag, new TagRecord(_root, MediaTypes.OciIndex, 1, default), default);
        _store.PinRoom = 2 * 4096;   // three whose size is known, of a block each
        using var pins = new Pins(_store, _index);

        var (objection, changes) = await pins.PinAsync([Tag], default);

        Assert.Equal((507, 4096), (objection!.Status, objection.ShortBytes));
        AssertNothingIsPinned(changes);
    }

    [Fact]
    public async Task Pin_RecordCannotBeWritten_PinsNothing()
    {
        await _index.SetTagAsync(Tag, new TagRecord(_root, MediaTypes.OciIndex, 1, default), default);
        _index.Fault = new IOException("scripted");
        using var pins = new Pins(_store, _index);

        await Assert.ThrowsAsync<IOException>(() => pins.PinAsync([Tag], default));

        AssertNothingIsPinned([]);
    }

    [Fact]
    public async Task PinAndUnpin_Several_AreOneWriteEach()
    {
        await _index.SetTagAsync(Tag, new TagRecord(_root, MediaTypes.OciIndex, 1, default), default);
        using var pins = new Pins(_store, _index);

        Assert.Equal(2, (await pins.PinAsync([Tag, Tag.At(_image), Tag], default)).Changes.Count);
        Assert.Equal(1, _index.PinWrites);
        Assert.Equal(2, (await pins.UnpinAsync(_ => true, default)).Count);
        Assert.Equal(2, _index.PinWrites);
        AssertNothingIsPinned([]);
    }

    [Fact]
    public async Task Load_AfterAStart_HoldsTheSameAlsoForATagThatIsGone()
    {
        (await PinnedAsync()).Dispose();
        var before = _store.Pinned.Keys.ToHashSet();
        _store.Pinned.Clear();
        await _index.RemoveTagAsync(Tag, default);
        using var pins = new Pins(_store, _index);

        await pins.LoadAsync(default);

        Assert.Equal(before, [.. _store.Pinned.Keys]);
        Assert.True(pins.Has(Tag));
    }

    [Fact]
    public async Task Load_RecordCannotBeWritten_HoldsAllTheSame()
    {
        (await PinnedAsync()).Dispose();
        var other = _store.Put(Image(_store.Put("other"u8.ToArray())));
        await _index.SetTagAsync(Tag, new TagRecord(other, MediaTypes.OciManifest, 1, default), default);   // a crash came before the pin followed
        _store.Pinned.Clear();
        _index.Fault = new IOException("scripted");
        using var pins = new Pins(_store, _index);

        await pins.LoadAsync(default);

        Assert.Equal(new HashSet<Digest> { other, Digest.Of("other"u8) }, [.. _store.Pinned.Keys]);
    }

    [Fact]
    public async Task Load_ManifestIsMissing_AwaitsItAndFollowsWhenItComes()
    {
        (await PinnedAsync()).Dispose();
        _store.Remove(_root);
        _store.Pinned.Clear();
        using var pins = new Pins(_store, _index);
        await pins.LoadAsync(default);
        Assert.Equal([_root], _store.Pinned.Keys);

        _store.Put(Index(_image, Digest.Of(_lateImage)));
        await pins.ArrivedAsync(_root);

        Assert.Contains(_layer, _store.Pinned);
    }

    [Fact]
    public async Task Incomplete_ALayerIsGone_TellsThePin()
    {
        using var pins = await PinnedAsync();
        Assert.Empty(pins.Incomplete());

        _store.Remove(_layer);

        Assert.Equal([Tag], pins.Incomplete());
    }

    private async Task<Pins> PinnedAsync()
    {
        await _index.SetTagAsync(Tag, new TagRecord(_root, MediaTypes.OciIndex, 1, default), default);
        var pins = new Pins(_store, _index);
        Assert.Null((await pins.PinAsync([Tag], default)).Objection);
        return pins;
    }

    private void AssertNothingIsPinned(IReadOnlyList<ImageChange> changes)
    {
        Assert.Empty(changes);
        Assert.Empty(_store.Pinned);
        Assert.Empty(_index.Pins());
    }

    private static byte[] Image(Digest layer) =>
        Encoding.UTF8.GetBytes($$"""{"schemaVersion":2,"mediaType":"{{MediaTypes.OciManifest}}","layers":[{"mediaType":"x","digest":"{{layer}}","size":5}]}""");

    private static byte[] Index(params Digest[] images)
    {
        var manifests = string.Join(',', images.Select(image => $$"""{"mediaType":"{{MediaTypes.OciManifest}}","digest":"{{image}}","size":5}"""));
        return Encoding.UTF8.GetBytes($$"""{"schemaVersion":2,"mediaType":"{{MediaTypes.OciIndex}}","manifests":[{{manifests}}]}""");
    }
}
