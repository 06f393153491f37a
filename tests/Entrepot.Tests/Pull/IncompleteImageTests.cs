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

    private static readonly byte[] Image = OfLayer("application/vnd.oci.image.layer.v1.tar+gzip");
    private static readonly byte[] Signature = OfLayer("application/vnd.dev.cosign.simplesigning.v1+json");

    private readonly PullKit _kit = new();

    public async Task InitializeAsync()
    {
        await FetchAsync(Tag, Image);
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

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Get_NoImage_IsServedWithoutItsParts(bool headOnly)
    {
        var tag = PullKit.Of("sha256-3f.sig");
        await FetchAsync(tag, Signature);
        _kit.Upstream.IsDown = true;
        Assert.Equal(PullSource.Hit, (await _kit.ManifestAsync(tag, headOnly)).Source);
        Assert.Equal(PullSource.Hit, (await _kit.ManifestAsync(tag.At(Digest.Of(Signature)), headOnly)).Source);

        _kit.Clock.Now += _kit.Upstream.TagTtl;
        _kit.Upstream.HeadManifest = (_, _) => ScriptedUpstream.Say<ManifestInfo>(RegistryError.Down("scripted"));
        Assert.Equal(PullSource.Stale, (await _kit.ManifestAsync(tag, headOnly)).Source);

        _kit.Store.Remove(Digest.Of(Signature));
        Assert.Equal(503, (await _kit.ManifestAsync(tag, headOnly)).Error!.Status);
    }

    private async Task FetchAsync(Reference tag, byte[] manifest)
    {
        var info = new ManifestInfo(Digest.Of(manifest), MediaTypes.OciManifest, manifest.Length);
        _kit.Upstream.HeadManifest = (_, _) => ScriptedUpstream.Say<ManifestInfo>(info);
        _kit.Upstream.GetManifest = (_, _) => ScriptedUpstream.Say<ReceivedManifest>(new ReceivedManifest(manifest, MediaTypes.OciManifest, null));
        Assert.Equal(PullSource.Fetched, (await _kit.ManifestAsync(tag)).Source);
    }

    private static byte[] OfLayer(string mediaType) => Encoding.UTF8.GetBytes($$"""
        {"schemaVersion":2,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{{Digest.Of(Config)}}","size":6},
         "layers":[{"mediaType":"{{mediaType}}","digest":"{{Digest.Of(Layer)}}","size":5}]}
        """);
}
