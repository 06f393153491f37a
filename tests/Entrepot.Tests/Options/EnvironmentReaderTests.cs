namespace Entrepot.Tests.Options;

public sealed class EnvironmentReaderTests : IDisposable
{
    private readonly OptionsFixture _fixture = new();

    public void Dispose() => _fixture.Dispose();

    [Theory]
    [InlineData("ENTREPOT_STORAGE__ROOT")]
    [InlineData("entrepot_storage__root")]
    [InlineData("Entrepot_Storage__Root")]
    public void Overlay_NameInAnyCase_IsTheOption(string name) => Assert.Equal("/x", _fixture.Read("", (name, "/x")).Options.StorageRoot);

    [Fact]
    public void Overlay_UpstreamByPosition_IsLaidOverTheFilesEntry()
    {
        var result = _fixture.Read("upstreams: [{ name: quay.io }, { name: docker.io, tagTtl: 5m }]",
            ("ENTREPOT_UPSTREAMS__1__USERNAME", "me"), ("ENTREPOT_UPSTREAMS__1__PASSWORD", "a,b"));

        Assert.Empty(result.Problems);
        var hub = result.Options.Upstreams[0];
        Assert.Equal(("docker.io", "me", "a,b", TimeSpan.FromMinutes(5)), (hub.Name, hub.Username, hub.Password, hub.Freshness.TagTtl));
    }

    [Fact]
    public void Overlay_UpstreamsWithoutAFile_AreMadeInTheOrderOfTheirNumbers()
    {
        var variables = Enumerable.Range(0, 12).Reverse().Select(i => ($"ENTREPOT_UPSTREAMS__{i}__NAME", $"r{i}.example")).ToArray();

        var result = _fixture.Read("", variables);

        Assert.Empty(result.Problems);
        Assert.Equal(Enumerable.Range(0, 12).Select(i => $"r{i}.example"), result.Options.Upstreams.Skip(7).Select(upstream => upstream.Name));
    }

    [Fact]
    public void Overlay_ListByCommas_ReplacesTheFiles() =>
        Assert.Equal(["127.0.0.1:2", "127.0.0.1:3"], _fixture.Read("listen: ['127.0.0.1:1']", ("ENTREPOT_LISTEN", "127.0.0.1:2, 127.0.0.1:3")).Options.Listen);

    [Fact]
    public void Overlay_ListItemByPosition_ReplacesThatItem() =>
        Assert.Equal(["127.0.0.1:1", "127.0.0.1:9"], _fixture.Read("listen: ['127.0.0.1:1', '127.0.0.1:2']", ("ENTREPOT_LISTEN__1", "127.0.0.1:9")).Options.Listen);

    [Fact]
    public void Overlay_ListInsideAnUpstream_WorksBothWays()
    {
        var result = _fixture.Read("upstreams: [{ name: a.example }]",
            ("ENTREPOT_UPSTREAMS__0__HOSTS", "x,y"), ("ENTREPOT_UPSTREAMS__0__HOSTS__1", "z"));

        Assert.Equal(["x", "z"], result.Options.Upstreams[^1].Hosts);
    }

    [Fact]
    public void Overlay_EntriesInsideAnUpstream_AreGivenByPosition()
    {
        var result = _fixture.Read("upstreams: [{ name: a.example, tags: [{ match: v*, tagTtl: 1m }] }]",
            ("ENTREPOT_UPSTREAMS__0__TAGS__0__TAGTTL", "2m"),
            ("ENTREPOT_UPSTREAMS__0__TAGS__1__MATCH", "latest"), ("ENTREPOT_UPSTREAMS__0__TAGS__1__TAGTTL", "unlimited"));

        Assert.Empty(result.Problems);
        Assert.Empty(result.Warnings);
        Assert.Equal([new("v*", TimeSpan.FromMinutes(2)), new("latest", Timeout.InfiniteTimeSpan)], result.Options.Upstreams[^1].Freshness.Tags);
    }

    [Theory]
    [InlineData("ENTREPOT_LISTEN__1", "127.0.0.1:1", "environment ENTREPOT_LISTEN__1: listen[1]: its position is past the end")]
    [InlineData("ENTREPOT_UPSTREAMS__3__NAME", "a", "environment ENTREPOT_UPSTREAMS__3__NAME: upstreams[3].name: its position is past the end")]
    [InlineData("ENTREPOT_UPSTREAMS__0__USERNAME", "a", "environment ENTREPOT_UPSTREAMS__0__USERNAME: upstreams[0].")]
    [InlineData("ENTREPOT_LISTEN", "127.0.0.1:1,", "environment ENTREPOT_LISTEN: listen[1]: an empty value")]
    [InlineData("ENTREPOT_LIMITS__CONNECTIONS", "many", "environment ENTREPOT_LIMITS__CONNECTIONS: limits.connections: 'many'")]
    public void Overlay_BadValue_IsRefusedWithTheVariablesName(string name, string value, string expected)
    {
        var problems = _fixture.Problems("", (name, value));

        Assert.NotEmpty(problems);
        Assert.All(problems, problem => Assert.StartsWith(expected, problem, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("ENTREPOT_STORAGE__ROTO", "; did you mean ENTREPOT_STORAGE__ROOT?")]
    [InlineData("ENTREPOT_STORAGE__OBJECTSTORE", "")]
    [InlineData("ENTREPOT_STORAGE", "")]
    [InlineData("ENTREPOT_STORAGE__ROOT__0", "")]
    [InlineData("ENTREPOT_UPSTREAMS", "")]
    [InlineData("ENTREPOT_UPSTREAMS__0", "")]
    [InlineData("ENTREPOT_UPSTREAMS__X__NAME", "")]
    [InlineData("ENTREPOT_UPSTREAMS__-1__NAME", "")]
    [InlineData("ENTREPOT_UPSTREAMS__0__HOSTS__0__1", "")]
    [InlineData("ENTREPOT_", "")]
    [InlineData("ENTREPOT___", "")]
    public void Overlay_UnknownName_IsOnlyAWarningWithoutItsValue(string name, string hint)
    {
        var result = _fixture.Read("", (name, "hunter2"));

        Assert.Empty(result.Problems);
        Assert.Equal($"environment {name} is not an option and is ignored{hint}", Assert.Single(result.Warnings));
    }

    [Theory]
    [InlineData("ENTREPOT_PORT")]
    [InlineData("ENTREPOT_PORT_5000_TCP_ADDR")]
    [InlineData("ENTREPOT_SERVICE_HOST")]
    [InlineData("PATH")]
    public void Overlay_NameOfSomebodyElse_IsPassedOverInSilence(string name)
    {
        var result = _fixture.Read("", (name, "x"));

        Assert.Empty(result.Problems);
        Assert.Empty(result.Warnings);
    }

    [Fact]
    public void Overlay_EmptyVariable_CountsAsNotSet() =>
        Assert.Equal("file", _fixture.Read("storage: { root: file }", ("ENTREPOT_STORAGE__ROOT", "")).Options.StorageRoot);
}
