namespace Entrepot.FunctionalTests.Bundles;

/// <summary>What is imported comes, changes and goes as a set.</summary>
public sealed class ImportSetTests : ImportTest
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Import_SameSetAgain_ReplacesIt(bool restart)
    {
        var (old, gone, kept) = (Image("org/app", "1", 520, 521), Image("org/gone", "1", 522), Image("org/kept", "1", 523));
        (await ImportAsync(Files.Layout("a.tar", (Full(old), old), (Full(gone), gone)), "--set", "site")).IsFine();
        (await ImportAsync(Files.Layout("b.tar", (Full(kept), kept)), "--set", "other")).IsFine();
        if (restart) await Cache.RestartAsync();
        var moved = Image("org/app", "1", 524, 521);

        var ran = (await ImportAsync(Files.Layout("a.tar", (Full(moved), moved)), "--set", "site")).IsFine();

        Assert.Contains("removed   docker.io/org/gone:1", ran.Lines);
        await PullsAsync(moved);
        await PullsAsync(kept);
        await NothingIsLeftAsync(gone);
        Assert.Equal((false, false, true), (Has(old.Manifest.Digest), Has(old.Layers[0]), Has(old.Layers[1])));
        Assert.Equal(404, (await Cache.GetManifestAsync(old.Manifest.Digest.ToString())).Status);
        Assert.Equal(2, (await ListAsync()).Count);

        if (restart) await Cache.RestartAsync();
        await PullsAsync(moved);
        await PullsAsync(kept);
        await NothingIsLeftAsync(gone);
    }

    [Fact]
    public async Task RemoveSet_FreesItsSpaceAndNoOthers()
    {
        var (shared, alone) = (Image("org/shared", "1", 525), Image("org/alone", "1", 526));
        (await ImportAsync(Files.Layout("a.tar", (Full(shared), shared), (Full(alone), alone)))).IsFine();
        (await ImportAsync(Files.Layout("b.tar", (Full(shared), shared)))).IsFine();
        Assert.Equal(["a a", "a a,b"], (await ListAsync()).Select(image => $"{image!["set"]} {string.Join(',', image["sets"]!.AsArray())}").Order(StringComparer.Ordinal));
        Assert.Contains((await RunAsync("list")).Lines, line => line.EndsWith("set a, set b", StringComparison.Ordinal));

        var ran = (await RunAsync("remove", "--set", "a")).IsFine();

        Assert.Matches(@"^removed   docker.io/org/alone:1: 0 B freed$", ran.Lines[0]);
        Assert.Matches(@"^removed   docker.io/org/shared:1: \d.* freed$", ran.Lines[1]);
        await NothingIsLeftAsync(alone);
        await PullsAsync(shared);
        Assert.Equal("b", (string?)Assert.Single(await ListAsync())["set"]);

        await Cache.RestartAsync();
        await PullsAsync(shared);
        (await RunAsync("remove", "--set", "b")).IsFine();
        await NothingIsLeftAsync(shared);
        Assert.Empty(Cache.Store.Checked());
    }

    [Fact]
    public async Task RemoveSet_PinnedImage_Stays()
    {
        var app = Image("org/app", "1", 527);
        (await ImportAsync(Files.Layout("a.tar", (Full(app), app)))).IsFine();
        (await RunAsync("pin", Full(app))).IsFine();

        (await RunAsync("remove", "--set", "a")).IsFine();

        await PullsAsync(app);
        Assert.Null((string?)Assert.Single(await ListAsync())["set"]);
        (await RunAsync("unpin", Full(app))).IsFine();
        (await RunAsync("remove", Full(app))).IsFine();
        await NothingIsLeftAsync(app);
    }

    [Fact]
    public async Task ImageOfASet_IsNeitherUnpinnedNorRemovedAlone()
    {
        var app = Image("org/app", "1", 528);
        (await ImportAsync(Files.Layout("a.tar", (Full(app), app)))).IsFine();

        (await RunAsync("unpin", Full(app))).IsFailure(
            "docker.io/org/app:1 is kept by the set 'a', which is not pinned or unpinned image by image: remove --set removes it");
        (await RunAsync("remove", Full(app))).IsFailure(
            "docker.io/org/app:1 is kept by the set 'a': remove the set, with remove --set a, or import it again without this image; nothing was removed");

        await PullsAsync(app);
    }

    [Fact]
    public async Task RemoveSet_Unknown_NamesThoseThatAreThere()
    {
        (await RunAsync("remove", "--set", "x")).IsFailure("there is no set 'x'; nothing has been imported");
        var app = Image("org/app", "1", 529);
        (await ImportAsync(Files.Layout("a.tar", (Full(app), app)))).IsFine();

        (await RunAsync("remove", "--set", "x")).IsFailure("there is no set 'x'; there are: a");
    }

    [Fact]
    public async Task SharedTag_ThatAnotherSetMoves_IsKeptByBothAsItIsNow()
    {
        var (first, second) = (Image("org/app", "1", 530), Image("org/app", "1", 531));
        (await ImportAsync(Files.Layout("a.tar", (Full(first), first)))).IsFine();
        (await ImportAsync(Files.Layout("b.tar", (Full(second), second)))).IsFine();

        await PullsAsync(second);
        (await RunAsync("remove", "--set", "b")).IsFine();
        await PullsAsync(second);
        await Cache.RestartAsync();
        await PullsAsync(second);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task SharedTag_ThatAnotherSetMoves_LeavesNothingOfWhatItMeantBefore(bool restart)
    {
        var (first, second) = (Image("org/app", "1", 532, 533), Image("org/app", "1", 534, 533));
        (await ImportAsync(Files.Layout("full.tar", (Full(first), first)))).IsFine();
        if (restart) await Cache.RestartAsync();
        (await ImportAsync(Files.Layout("delta.tar", (Full(second), second)))).IsFine();

        await PullsAsync(second);
        Assert.Equal((false, false, true), (Has(first.Manifest.Digest), Has(first.Layers[0]), Has(first.Layers[1])));
        Assert.Equal(404, (await Cache.GetManifestAsync(first.Manifest.Digest.ToString())).Status);

        (await RunAsync("remove", "--set", "delta")).IsFine();
        await PullsAsync(second);
        (await RunAsync("remove", "--set", "full")).IsFine();
        await NothingIsLeftAsync(second);
        Assert.Empty(Cache.Store.Checked());
    }

    [Fact]
    public async Task SharedTag_ThatAnotherSetMoves_StaysWhereASetKeepsItByDigest()
    {
        var (first, second) = (Image("org/app", "1", 535), Image("org/app", "1", 536));
        (await ImportAsync(Files.Layout("a.tar", (Full(first), first)))).IsFine();
        (await ImportAsync(Files.Layout("c.tar", ($"docker.io/org/app@{first.Manifest.Digest}", first)))).IsFine();

        (await ImportAsync(Files.Layout("b.tar", (Full(second), second)))).IsFine();

        await PullsAsync(second);
        await PullsAsync(first, first.Manifest.Digest.ToString());
        foreach (var set in (string[])["a", "b", "c"]) (await RunAsync("remove", "--set", set)).IsFine();
        Assert.Empty(Cache.Store.Checked());
    }
}
