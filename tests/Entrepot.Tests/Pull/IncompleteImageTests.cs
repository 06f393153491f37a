using System.Text;
using Entrepot.Oci;
using Entrepot.Pull;
using Entrepot.Tests.Kit;

namespace Entrepot.Tests.Pull;

/// <summary>While an upstream is out of reach, an image that is not whole is refused at its manifest (design, section 4).</summary>
public sealed class IncompleteImageTests : IAsyncLifetime
{
    private static readonly byte[] Config = "config"u8.ToArray();
    private static readonly byte[] Layer = "layer"u8.ToArray();
    private static readonly Reference Tag = PullKit.Of("3.20");

    private static readonly byte[] Image = Encoding.UTF8.GetBytes(
        $$"""{"schemaVersion":2,"config":{"digest":"{{Digest.Of(Config)}}","size":6},"layers":[{"digest":"{{Digest.Of(Layer)}}","size":5}]}""");

    private readonly PullKit _kit = new();

    public async Task InitializeAsync()
    {
        var info = new ManifestInfo(Digest.Of(Image), MediaTypes.OciManifest, Image.Length);
        _kit.Upstream.HeadManifest = (_, _) => ScriptedUpstream.Say<ManifestInfo>(info);
        _kit.Upstream.GetManifest = (_, _) => ScriptedUpstream.Say<ReceivedManifest>(new ReceivedManifest(Image, MediaTypes.OciManifest, null));
        Assert.Equal(PullSource.Fetched, (await _kit.ManifestAsync(Tag)).Source);
        _kit.Store.Put(Config);
    }

    public Task DisposeAsync() => _kit.EndAsync();

    [Theory]
    [InlineData(true, false)]
    [InlineData(false, false)]
    [InlineData(true, true)]
    public async Task Get_TagIsStale_NeedsEveryPart(bool headOnly, bool manifestIsGone)
    {
        if (manifestIsGone) _kit.Store.Remove(Digest.Of(Image));
        _kit.Clock.Now += _kit.Upstream.TagTtl;
        _kit.Upstream.HeadManifest = (_, _) => ScriptedUpstream.Say<ManifestInfo>(RegistryError.Down("scripted"));

        var refused = await _kit.ManifestAsync(Tag, headOnly);
        Assert.Equal(503, refused.Error!.Status);

        _kit.Store.Put(Image);
        _kit.Store.Put(Layer);
        Assert.Equal(PullSource.Stale, (await _kit.ManifestAsync(Tag, headOnly)).Source);
    }

    [Theory]
    [InlineData(true, true)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    [InlineData(false, false)]
    public async Task Get_UpstreamIsDown_NeedsEveryPartThoughTheTagIsFresh(bool byTag, bool headOnly)
    {
        _kit.Upstream.IsDown = true;
        var reference = byTag ? Tag : Tag.At(Digest.Of(Image));

        Assert.Equal(503, (await _kit.ManifestAsync(reference, headOnly)).Error!.Status);

        _kit.Store.Put(Layer);
        Assert.Equal(PullSource.Hit, (await _kit.ManifestAsync(reference, headOnly)).Source);
    }

    [Fact]
    public async Task Get_UpstreamIsUp_PartsMayBeMissing() => Assert.Equal(PullSource.Hit, (await _kit.ManifestAsync(Tag)).Source);
}
