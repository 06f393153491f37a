using Entrepot.Server.Options;

namespace Entrepot.Tests.Options;

public sealed class EffectiveOptionsTests : IDisposable
{
    private readonly OptionsFixture _fixture = new();

    public void Dispose() => _fixture.Dispose();

    [Fact]
    public void Of_NothingGiven_IsEveryOptionByDefault()
    {
        var options = EffectiveOptions.Of(_fixture.Read(""));

        Assert.All(options, option => Assert.Equal("default", option.Origin));
        Assert.Equal(
            OptionTable.All.Count(spec => spec.Path != "upstreams") + (EntrepotOptions.WellKnown.Count * OptionTable.Upstream.Count), options.Count);
        Assert.Equal(options.Count, options.DistinctBy(option => option.Path).Count());
        Assert.Equal(["0.0.0.0:5000"], Get(options, "listen").Values);
        Assert.Equal(["https://ghcr.io"], Get(options, "upstreams[ghcr.io].urls").Values);
        Assert.Empty(Get(options, "upstreams[docker.io].username").Values);
    }

    [Fact]
    public void Of_AllThreeSources_NamesTheOneThatWon()
    {
        var options = EffectiveOptions.Of(_fixture.Read(
            "admin: 127.0.0.1:1\nstorage: { root: file }\nlimits:\n  connections: 1\n  manifest:\n",
            [("ENTREPOT_STORAGE__ROOT", "environment"), ("ENTREPOT_LIMITS__CONNECTIONS", "2")],
            [("limits.connections", ["3"]), ("listen", ["127.0.0.1:3", "127.0.0.1:4"])]));

        Assert.Equal(("127.0.0.1:1", $"{_fixture.File}:1"), One(options, "admin"));
        Assert.Equal(("environment", "environment ENTREPOT_STORAGE__ROOT"), One(options, "storage.root"));
        Assert.Equal(("3", "flag --limits.connections"), One(options, "limits.connections"));
        Assert.Equal(("8MiB", "default"), One(options, "limits.manifest"));
        Assert.Equal(["127.0.0.1:3", "127.0.0.1:4"], Get(options, "listen").Values);
        Assert.Equal("flag --listen", Get(options, "listen").Origin);
    }

    [Fact]
    public void Of_ListWithItemsOfTheEnvironment_NamesBothSources()
    {
        var options = EffectiveOptions.Of(_fixture.Read("listen:\n  - 127.0.0.1:1\n  - 127.0.0.1:2\n", ("ENTREPOT_LISTEN__1", "127.0.0.1:3")));

        Assert.Equal(["127.0.0.1:1", "127.0.0.1:3"], Get(options, "listen").Values);
        Assert.Equal($"{_fixture.File}:1, environment ENTREPOT_LISTEN__1", Get(options, "listen").Origin);
    }

    [Fact]
    public void Of_Upstream_HasItsOwnOptionsUnderItsName()
    {
        var options = EffectiveOptions.Of(_fixture.Read("""
            upstreams:
              - name: registry.example.com
                username: me
                password: hunter2
                tags:
                  - { match: "v*", tagTtl: unlimited }
              - name: Docker.io
                tagTtl: 5m
            """));

        Assert.Equal(("(set)", $"{_fixture.File}:4"), One(options, "upstreams[registry.example.com].password"));
        Assert.Equal(("https://registry.example.com", "default"), One(options, "upstreams[registry.example.com].urls"));
        Assert.Equal(("v*", $"{_fixture.File}:6"), One(options, "upstreams[registry.example.com].tags[0].match"));
        Assert.Equal(("5m", $"{_fixture.File}:8"), One(options, "upstreams[docker.io].tagTtl"));
        Assert.Equal(("1m", "default"), One(options, "upstreams[registry.example.com].tagTtl"));
        Assert.DoesNotContain(options, option => option.Values.Contains("hunter2"));
    }

    [Fact]
    public void Of_PasswordOfTheEnvironment_IsNotShown()
    {
        var options = EffectiveOptions.Of(_fixture.Read("",
            ("ENTREPOT_UPSTREAMS__0__NAME", "quay.io"), ("ENTREPOT_UPSTREAMS__0__USERNAME", "me"), ("ENTREPOT_UPSTREAMS__0__PASSWORD", "hunter2")));

        Assert.Equal(("(set)", "environment ENTREPOT_UPSTREAMS__0__PASSWORD"), One(options, "upstreams[quay.io].password"));
    }

    [Fact]
    public void Read_ServerOfTheCommands_IsNoOptionAndNoMistake() => Assert.Empty(_fixture.Read("", ("ENTREPOT_SERVER", "http://127.0.0.1:1")).Warnings);

    private static EffectiveOption Get(IEnumerable<EffectiveOption> options, string path) => Assert.Single(options, option => option.Path == path);

    private static (string Value, string Origin) One(IEnumerable<EffectiveOption> options, string path) =>
        (Assert.Single(Get(options, path).Values), Get(options, path).Origin);
}
