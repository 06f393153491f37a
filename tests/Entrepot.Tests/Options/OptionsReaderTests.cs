using Entrepot.Server.Options;

namespace Entrepot.Tests.Options;

public sealed class OptionsReaderTests : IDisposable
{
    private readonly OptionsFixture _fixture = new();

    public void Dispose() => _fixture.Dispose();

    [Theory]
    [InlineData("")]
    [InlineData("# nothing\n")]
    [InlineData("---\n")]
    [InlineData("\uFEFF")]
    [InlineData("listen: ~\nstorage:\n  root:\nlimits: null\nupstreams:\n")]
    public void Read_NothingGiven_IsTheDefaults(string yaml)
    {
        var result = _fixture.Read(yaml);

        Assert.Empty(result.Problems);
        Assert.Equivalent(new EntrepotOptions(), result.Options);
    }

    [Fact]
    public void Read_EveryOptionInTheFile_IsTaken()
    {
        var result = _fixture.Read("""
            listen: ["127.0.0.1:6000", '[::1]:6000']
            admin: 127.0.0.1:6001
            defaultUpstream: ghcr.io
            shutdownTimeout: 1.5m
            storage: { root: /srv/x, partialTtl: 36h }
            limits:
              minRate: 2KiB/s
              connections: 7
              manifest: 1MiB
              fetches: 9
            """);

        Assert.Empty(result.Problems);
        var options = result.Options;
        Assert.Equal(["127.0.0.1:6000", "[::1]:6000"], options.Listen);
        Assert.Equal("127.0.0.1:6001", options.Admin);
        Assert.Equal("ghcr.io", options.DefaultUpstream);
        Assert.Equal(TimeSpan.FromSeconds(90), options.ShutdownTimeout);
        Assert.Equal("/srv/x", options.StorageRoot);
        Assert.Equal(2048, options.MinRate);
        Assert.Equal(7, options.Connections);
        Assert.Equal(1 << 20, options.ManifestLimit);
        Assert.Equal(9, options.Fetches);
        Assert.Equal(TimeSpan.FromHours(36), options.PartialTtl);
    }

    [Fact]
    public void Read_AllThreeSources_FlagsWinOverEnvironmentOverFile()
    {
        var result = _fixture.Read(
            "admin: 127.0.0.1:1\nstorage: { root: file }\nlimits: { connections: 1, manifest: 1MiB }",
            [("ENTREPOT_STORAGE__ROOT", "environment"), ("ENTREPOT_LIMITS__CONNECTIONS", "2")],
            [("limits.connections", ["3"])]);

        Assert.Empty(result.Problems);
        Assert.Equal("127.0.0.1:1", result.Options.Admin);
        Assert.Equal("environment", result.Options.StorageRoot);
        Assert.Equal(3, result.Options.Connections);
        Assert.Equal(1 << 20, result.Options.ManifestLimit);
    }

    [Fact]
    public void Read_ListAsFlag_ReplacesTheOthersAndMayUseCommas()
    {
        var result = _fixture.Read("listen: ['127.0.0.1:1']", [("ENTREPOT_LISTEN", "127.0.0.1:2")], [("listen", ["127.0.0.1:3", "127.0.0.1:4,127.0.0.1:5"])]);

        Assert.Equal(["127.0.0.1:3", "127.0.0.1:4", "127.0.0.1:5"], result.Options.Listen);
    }

    [Fact]
    public void Read_ManyMistakesEverywhere_AreToldTogether()
    {
        var result = _fixture.Read("""
            listne: x
            admin: nowhere
            storage:
              objectStore: 24h
            """,
            [("ENTREPOT_SHUTDOWNTIMEOUT", "forever")],
            [("limits.manifest", ["1KB"])]);

        Assert.Equal(
        [
            "entrepot.yaml:1: listne: is unknown; did you mean listen?",
            "entrepot.yaml:2: admin: 'nowhere' is not allowed; allowed: an IP address and a port, e.g. 0.0.0.0:5000 (every interface), 127.0.0.1:5000 or [::]:5000",
            "entrepot.yaml:4: storage.objectStore: is unknown",
            "environment ENTREPOT_SHUTDOWNTIMEOUT: shutdownTimeout: 'forever' is not allowed; allowed: 0s to 10m",
            "flag --limits.manifest: limits.manifest: '1KB' is not allowed; allowed: 64KiB to 64MiB",
        ], _fixture.Lines(result));
    }

    [Theory]
    [InlineData("offline: never", "entrepot.yaml:1: offline: 'never' is not allowed; allowed: true or false")]
    [InlineData("rubbish: 64MiB", "entrepot.yaml:1: rubbish: is unknown")]
    [InlineData("rubbish: { every: 168h }", "entrepot.yaml:1: rubbish: is unknown")]
    [InlineData("scrub: { every: 1m }", "entrepot.yaml:1: scrub.every: '1m' is not allowed; allowed: 1h to 8760h, or unlimited")]
    [InlineData("storage: { eviction: random }", "entrepot.yaml:1: storage.eviction: 'random' is not allowed; allowed: lru or adaptive")]
    [InlineData("storage: { partialTtl: 8761h }", "entrepot.yaml:1: storage.partialTtl: '8761h' is not allowed; allowed: 0s to 8760h")]
    [InlineData("limits: { fetches: 65537 }", "entrepot.yaml:1: limits.fetches: '65537' is not allowed; allowed: 1 to 65536")]
    [InlineData("upstreams: [{ name: a, rateLimitFloor: 10 }]", "entrepot.yaml:1: upstreams[0].rateLimitFloor: is unknown")]
    [InlineData("Listen: []", "entrepot.yaml:1: Listen: is unknown; did you mean listen?")]
    [InlineData("upstreams: [{ name: a, tagTTL: 1s }]", "entrepot.yaml:1: upstreams[0].tagTTL: is unknown; did you mean tagTtl?")]
    [InlineData("storage.root: /x", "entrepot.yaml:1: storage.root: is unknown")]
    [InlineData("'a\tb': c", "entrepot.yaml:1: a?b: is unknown")]
    [InlineData("'https://u:p@h': c", "entrepot.yaml:1: (a key that may hold a password): is unknown")]
    [InlineData("storage: 3", "entrepot.yaml:1: storage: is a single value where a group of options belongs; allowed: root, quota, minFree, eviction, checkpointEvery, partialTtl")]
    [InlineData("limits: []", "entrepot.yaml:1: limits: is a list where a group of options belongs; allowed: minRate, connections, clientConnections, adminConnections, "
        + "idleTimeout, headerTimeout, requestLine, headers, headerCount, manifest, tagList, fetches, waiting, logLines")]
    [InlineData("storage: { root: [a] }", "entrepot.yaml:1: storage.root: is a list where a single value belongs; allowed: the path of a directory on one file system")]
    [InlineData("storage: { root: '' }", "entrepot.yaml:1: storage.root: an empty value is not allowed; allowed: the path of a directory on one file system")]
    [InlineData("limits: { connections: 0 }", "entrepot.yaml:1: limits.connections: '0' is not allowed; allowed: 1 to 1000000")]
    [InlineData("limits: { minRate: 2GB/s }", "entrepot.yaml:1: limits.minRate: '2GB/s' is not allowed; allowed: 1B/s to 1GB/s")]
    [InlineData("shutdownTimeout: 601s", "entrepot.yaml:1: shutdownTimeout: '601s' is not allowed; allowed: 0s to 10m")]
    [InlineData("listen: []", "entrepot.yaml:1: listen: is an empty list; at least one address is needed")]
    [InlineData("defaultUpstream: dokcer.io", "entrepot.yaml:1: defaultUpstream: 'dokcer.io' is not a configured upstream; allowed: docker.io, ghcr.io, quay.io, registry.k8s.io, gcr.io, mcr.microsoft.com, public.ecr.aws; did you mean docker.io?")]
    public void Read_OneMistake_IsOneLineThatSaysWhatIsAllowed(string yaml, string expected) => Assert.Equal([expected], _fixture.Problems(yaml));

    [Theory]
    [InlineData("80%", 80_000_000)]
    [InlineData("0.5%", 16 << 20)]
    [InlineData("16MiB", 16 << 20)]
    [InlineData("100%", 100_000_000)]
    public void Read_Quota_IsBytesOrAShareOfTheFileSystem(string quota, long expected) =>
        Assert.Equal(expected, _fixture.Read($"storage: {{ quota: {quota} }}").Options.Quota.Resolve(100_000_000));

    [Theory]
    [InlineData("15MiB")]
    [InlineData("0%")]
    [InlineData("101%")]
    [InlineData("-5%")]
    [InlineData("much")]
    [InlineData("%")]
    public void Read_WrongQuota_IsRefused(string quota) => Assert.Equal(
        $"entrepot.yaml:1: storage.quota: '{quota}' is not allowed; allowed: 16MiB or more, or more than 0% to 100% of the file system's size",
        Assert.Single(_fixture.Problems($"storage: {{ quota: '{quota}' }}")));

    [Fact]
    public void Read_MinFree_IsASizeOrNothing()
    {
        Assert.Equal(5L << 30, _fixture.Read("storage: { minFree: 5GiB }").Options.MinFreeBytes);
        Assert.Equal(0, _fixture.Read("storage: { minFree: 0B }").Options.MinFreeBytes);
        Assert.Contains("storage.minFree", Assert.Single(_fixture.Problems("storage: { minFree: 10% }")));
    }

    [Theory]
    [InlineData("listen: 127.0.0.1:1", "is a single value where a list belongs")]
    [InlineData("listen: { a: b }", "is a group of options where a list belongs")]
    [InlineData("listen: [~]", "listen[0]: is empty")]
    [InlineData("listen: [[]]", "listen[0]: is a list where a single value belongs")]
    [InlineData("listen: [127.0.0.1:1, x]", "listen[1]: 'x' is not allowed")]
    [InlineData("admin: localhost:5001", "'localhost:5001' is not allowed")]
    [InlineData("metrics: 5002", "metrics: '5002' is not allowed; allowed: an IP address and a port")]
    public void Read_WrongListen_IsRefused(string yaml, string expected) => Assert.Contains(expected, Assert.Single(_fixture.Problems(yaml)));

    [Theory]
    [InlineData("listen: ['127.0.0.1:1', '127.0.0.1:1']", "listen: '127.0.0.1:1' takes the same port as '127.0.0.1:1'")]
    [InlineData("admin: 127.0.0.1:5000", "admin: '127.0.0.1:5000' takes the same port as '0.0.0.0:5000'")]
    [InlineData("listen: ['[::]:1']\nadmin: 127.0.0.1:1", "admin: '127.0.0.1:1' takes the same port as '[::]:1'")]
    [InlineData("metrics: 0.0.0.0:5001", "metrics: '0.0.0.0:5001' takes the same port as '127.0.0.1:5001' of admin; each needs its own")]
    [InlineData("metrics: 127.0.0.1:5000", "metrics: '127.0.0.1:5000' takes the same port as '0.0.0.0:5000' of listen; each needs its own")]
    public void Read_ListenersOnOnePort_AreRefused(string yaml, string expected) => Assert.Contains(expected, Assert.Single(_fixture.Problems(yaml)));

    [Theory]
    [InlineData("listen: ['127.0.0.1:0', '127.0.0.1:0']\nadmin: 127.0.0.1:0\nmetrics: 127.0.0.1:0")]
    [InlineData("metrics: 127.0.0.1:5002")]
    [InlineData("metrics: null")]
    [InlineData("listen: ['127.0.0.1:1', '127.0.0.2:1', '[::1]:1']")]
    [InlineData("listen: ['0.0.0.0:1', '[::1]:1']")]
    public void Read_ListenersThatDiffer_AreFine(string yaml) => Assert.Empty(_fixture.Problems(yaml));

    [Fact]
    public void Read_FileThatIsNotThere_SaysSo()
    {
        var result = OptionsReader.Read(new OptionSources("/nonexistent/x.yaml", new Dictionary<string, string>(), new Dictionary<string, IReadOnlyList<string>>()));

        Assert.Equal("/nonexistent/x.yaml: cannot be read: there is no such file", Assert.Single(result.Problems).ToString());
    }

    [Fact]
    public void Read_FileThatIsADirectory_SaysSo()
    {
        var result = OptionsReader.Read(new OptionSources("/", new Dictionary<string, string>(), new Dictionary<string, IReadOnlyList<string>>()));

        Assert.Equal("/: cannot be read: it is a directory, or this user may not read it", Assert.Single(result.Problems).ToString());
    }

    [Fact]
    public void Read_FileThatIsTooLarge_IsRefused() =>
        Assert.Equal(["entrepot.yaml: cannot be the options: it is larger than 1 MiB"], _fixture.Problems(new string('#', (1 << 20) + 1)));

    [Fact]
    public void Read_FileThatIsNotUtf8_IsRefused()
    {
        File.WriteAllBytes(_fixture.File, [(byte)'#', 0xff, 0xfe]);

        var result = OptionsReader.Read(new OptionSources(_fixture.File, new Dictionary<string, string>(), new Dictionary<string, IReadOnlyList<string>>()));

        Assert.Equal(["entrepot.yaml: cannot be read: it is not UTF-8 text"], _fixture.Lines(result));
    }

    [Fact]
    public void Read_MistakeInTheFileUnderAnOverride_IsStillTold() =>
        Assert.Contains("limits: is a single value", Assert.Single(_fixture.Problems("limits: 12", ("ENTREPOT_LIMITS__MANIFEST", "1MiB"))));

    [Fact]
    public void Values_AfterReading_KnowWhereEachWasWritten()
    {
        var values = _fixture.Read("admin: 127.0.0.1:1\nstorage: { root: a }", ("ENTREPOT_STORAGE__ROOT", "b")).Values;

        Assert.EndsWith("entrepot.yaml:1", values.Find("admin")!.Origin, StringComparison.Ordinal);
        Assert.Equal("environment ENTREPOT_STORAGE__ROOT", ((RawMap)values.Find("storage")!).Find("root")!.Origin);
    }
}
