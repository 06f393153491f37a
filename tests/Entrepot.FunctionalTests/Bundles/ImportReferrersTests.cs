using Entrepot.FunctionalTests.Registry;

namespace Entrepot.FunctionalTests.Bundles;

/// <summary>What refers to an image comes and goes with sets, and the lists of it say so at every moment.</summary>
public sealed class ImportReferrersTests : ImportTest
{
    private readonly TestImage _app, _signature, _sbom;

    public ImportReferrersTests()
    {
        _app = Image("org/app", "1", 540);
        (_signature, _sbom) = (Referrer("signature"), Referrer("sbom"));
    }

    [Fact]
    public async Task SameSet_WithoutItsReferrers_TheirListIsEmpty()
    {
        await ImportAsync("site", _app, _signature);

        await ImportAsync("site", _app);

        await IsExactlyAsync();
    }

    [Fact]
    public async Task SameSet_WithOneReferrerLess_TheOthersAreListed()
    {
        await ImportAsync("site", _app, _signature, _sbom);

        await ImportAsync("site", _app, _sbom);

        await IsExactlyAsync(_sbom);
    }

    [Fact]
    public async Task SameSet_WithAnotherReferrer_OnlyThatIsListed()
    {
        await ImportAsync("site", _app, _signature);

        await ImportAsync("site", _app, _sbom);

        await IsExactlyAsync(_sbom);
    }

    [Fact]
    public async Task OtherSet_WithAnotherReferrer_BothAreListed()
    {
        await ImportAsync("a", _app, _signature);

        await ImportAsync("b", _app, _sbom);

        await IsExactlyAsync(_signature, _sbom);
    }

    [Fact]
    public async Task SameSet_WithoutAReferrerThatAnotherSetKeeps_ItIsListed()
    {
        await ImportAsync("a", _app, _signature);
        await ImportAsync("b", _app, _signature);

        await ImportAsync("a", _app, _sbom);

        await IsExactlyAsync(_signature, _sbom);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task RemoveSet_WhoseImageAnotherSetKeeps_ItsReferrersAreNotListed(bool restart)
    {
        await ImportAsync("a", _app, _signature, _sbom);
        await ImportAsync("b", _app, _sbom);
        if (restart) await Cache.RestartAsync();

        (await RunAsync("remove", "--set", "a")).IsFine();

        await IsExactlyAsync(_sbom);
        (await RunAsync("remove", "--set", "b")).IsFine();
        Assert.Empty(Cache.Store.Checked());
    }

    [Fact]
    public async Task RemoveSet_WhoseImageAnotherRepositoryKeepsWithoutReferrers_ItsListGoes()
    {
        var copy = _app with { Repository = "org/copy" };
        await ImportAsync("a", _app, _signature);
        await ImportAsync("b", copy);

        (await RunAsync("remove", "--set", "a")).IsFine();

        await PullsAsync(copy);
        AreStored(copy);
    }

    private TestImage Referrer(string type) =>
        new("org/app", "", Elsewhere.AddReferrer("org/app", _app.Manifest, $"application/vnd.example.{type}"), Elsewhere.AddBlob("{}"u8.ToArray()), []);

    private async Task ImportAsync(string set, params TestImage[] images) =>
        (await ImportAsync(Files.Layout("site.tar", images.Select(image => (image.Tag.Length > 0 ? Full(image) : $"docker.io/{image.Repository}@{image.Manifest.Digest}", image))), "--set", set)).IsFine();

    // The image and these referrers of it, now and after a restart, and nothing else: no other list, either.
    private async Task IsExactlyAsync(params TestImage[] referrers)
    {
        for (var restart = 0; restart < 2; restart++)
        {
            await PullsAsync(_app);
            var list = await Cache.GetAsync($"/v2/org/app/referrers/{_app.Manifest.Digest}");
            Assert.Equal(200, list.Status);
            Assert.Equal(
                referrers.Select(referrer => referrer.Manifest.Digest.ToString()).Order(StringComparer.Ordinal),
                list.Json["manifests"]!.AsArray().Select(one => (string?)one!["digest"]).Order(StringComparer.Ordinal));
            foreach (var one in referrers) (await Cache.GetManifestAsync(one.Manifest.Digest.ToString())).Is(one.Manifest.Bytes);
            foreach (var one in new[] { _signature, _sbom }.Except(referrers)) Assert.Equal(404, (await Cache.GetManifestAsync(one.Manifest.Digest.ToString())).Status);
            AreStored([_app, .. referrers]);
            await Cache.RestartAsync();
        }
    }

    // With one list beside them, if something refers to them.
    private void AreStored(params TestImage[] images)
    {
        var blobs = images.SelectMany(image => image.Layers.Append(image.Config).Select(blob => blob.Digest).Append(image.Manifest.Digest)).ToHashSet();
        var stored = Cache.Store.Checked();
        Assert.Superset(blobs, stored.ToHashSet());
        Assert.Equal(blobs.Count + (images.Length > 1 ? 1 : 0), stored.Count);
    }
}
