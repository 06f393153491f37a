using System.Text;
using Entrepot.Oci;
using Entrepot.Pull;
using Entrepot.Tests.Kit;

namespace Entrepot.Tests.Images;

/// <summary>What sets have left behind when the process ended in the middle of removing it.</summary>
public sealed class SetLeavingsTests : IAsyncLifetime
{
    private readonly PullKit _kit = new();
    private readonly Digest _config, _layer, _image, _other, _index;

    public SetLeavingsTests()
    {
        (_config, _layer) = (Put("{}"), Put("layer"));
        _image = Put($$"""{"schemaVersion":2,"config":{"digest":"{{_config}}","size":2},"layers":[{"digest":"{{_layer}}","size":5}]}""");
        _other = Put($$"""{"schemaVersion":2,"config":{"digest":"{{_config}}","size":2},"layers":[]}""");
        _index = Put($$"""{"schemaVersion":2,"manifests":[{"digest":"{{_image}}","size":1},{"digest":"{{_other}}","size":1}]}""");
    }

    public async Task InitializeAsync() =>
        await _kit.Index.ChangeSetsAsync(new SetChange { Kept = [new SetMember(ImageSets.Leaving, PullKit.Of(_index), _index)] }, default);

    public Task DisposeAsync() => _kit.EndAsync();

    [Theory]
    [InlineData("index", "image", "other")]
    [InlineData("image")]
    [InlineData]
    public async Task Finish_SomeNamesWereForgottenAlready_RemovesAllThatTheyMeant(params string[] known)
    {
        foreach (var (name, digest) in new[] { ("index", _index), ("image", _image), ("other", _other) })
            if (known.Contains(name)) await KnowAsync(digest);

        await FinishAsync();

        Assert.All([_config, _layer, _image, _other, _index], digest => Assert.False(_kit.Store.Contains(digest)));
        Assert.Empty(_kit.Index.References());
        Assert.Empty(_kit.Index.Sets());
    }

    [Fact]
    public async Task Finish_BytesWereRemovedAlready_RemovesTheRest()
    {
        _kit.Store.Remove(_layer);
        _kit.Store.Remove(_other);

        await FinishAsync();

        Assert.All([_config, _image, _index], digest => Assert.False(_kit.Store.Contains(digest)));
    }

    [Fact]
    public async Task Finish_BytesThatTellWhatBelongsTogether_GoLast()
    {
        await KnowAsync(_index);

        await FinishAsync();

        Assert.Equal(_index, _kit.Store.Removed.Last());
        Assert.Equal([_layer, _image], _kit.Store.Removed.Where(digest => digest == _layer || digest == _image));
    }

    [Fact]
    public async Task Finish_PartsThatOthersNeed_Stay()
    {
        await _kit.Index.AddManifestAsync(PullKit.Of(_image, "library/kept"), MediaTypes.OciManifest, default);
        await _kit.Index.SetTagAsync(PullKit.Of("1", "library/kept"), new TagRecord(_image, MediaTypes.OciManifest, 1, default), default);
        await KnowAsync(_image);

        await FinishAsync();

        Assert.All([_config, _layer, _image], digest => Assert.True(_kit.Store.Contains(digest)));
        Assert.All([_other, _index], digest => Assert.False(_kit.Store.Contains(digest)));
        Assert.Equal([PullKit.Of(_image, "library/kept"), PullKit.Of("1", "library/kept")], _kit.Index.References().OrderBy(one => one.IsTag));
    }

    [Fact]
    public async Task Finish_NameThatCameBack_KeepsItsImage()
    {
        await KnowAsync(_index);
        await _kit.Index.SetTagAsync(PullKit.Of("1"), new TagRecord(_index, MediaTypes.OciIndex, 1, default), default);

        await FinishAsync();

        Assert.All([_config, _layer, _image, _other, _index], digest => Assert.True(_kit.Store.Contains(digest)));
        Assert.Empty(_kit.Index.Sets());
    }

    [Fact]
    public async Task Finish_WhatRefersToSomethingThatStays_IsNotListedAnyMore()
    {
        var signature = Put($$"""{"schemaVersion":2,"config":{"digest":"{{_config}}","size":2},"layers":[],"subject":{"digest":"{{_image}}","size":1} }""");
        var list = Put($$"""{"schemaVersion":2,"manifests":[{"digest":"{{signature}}","size":1},{"digest":"{{_other}}","size":1}]}""");
        var subject = PullKit.Of(_image, "library/kept");
        await _kit.Index.AddManifestAsync(subject, MediaTypes.OciManifest, default);
        await _kit.Index.SetTagAsync(PullKit.Of("1", "library/kept"), new TagRecord(_image, MediaTypes.OciManifest, 1, default), default);
        await _kit.Index.SetReferrersAsync(subject, new ReferrersRecord(list, default), default);
        await _kit.Index.ChangeSetsAsync(new SetChange { Kept = [new SetMember(ImageSets.Leaving, subject.At(signature), signature)] }, default);

        await FinishAsync();

        var now = _kit.Index.FindReferrers(subject)!.List;
        Assert.NotEqual(list, now);
        await using var kept = await _kit.Store.OpenAsync(now, default);
        Assert.Equal([_other], Manifest.TryParse(await kept!.ReadAllAsync(default))!.Manifests.Select(one => one.Digest));
        Assert.All([signature, list], digest => Assert.False(_kit.Store.Contains(digest)));
        Assert.Empty(_kit.Index.Sets());
    }

    [Fact]
    public async Task Finish_DiskThatRefuses_IsToldAndCanBeCalledAgain()
    {
        _kit.Store.OpenFault = new IOException("scripted");

        await Assert.ThrowsAsync<IOException>(FinishAsync);
        _kit.Store.OpenFault = null;
        await FinishAsync();

        Assert.False(_kit.Store.Contains(_layer));
    }

    private Digest Put(string content) => _kit.Store.Put(Encoding.UTF8.GetBytes(content));

    private ValueTask KnowAsync(Digest manifest) => _kit.Index.AddManifestAsync(PullKit.Of(manifest), MediaTypes.OciManifest, default);

    private Task FinishAsync() => _kit.Pulls.Images.Sets.FinishAsync(default).Soon();
}
