using Entrepot.Pull;
using Entrepot.Server.Options;

namespace Entrepot.Tests.Options;

public sealed class RestartOptionsTests
{
    private static readonly Dictionary<string, string> Others = new()
    {
        ["listen"] = "127.0.0.1:1",
        ["admin"] = "127.0.0.1:2",
        ["metrics"] = "127.0.0.1:3",
        ["shutdownTimeout"] = "1s",
        ["storage.root"] = "elsewhere",
        ["storage.minFree"] = "5B",
        ["storage.eviction"] = "adaptive",
        ["storage.checkpointEvery"] = "2m",
        ["storage.partialTtl"] = "1h",
        ["memoryCache"] = "5MiB",
        ["limits.minRate"] = "5B/s",
        ["limits.connections"] = "7",
        ["limits.clientConnections"] = "7",
        ["limits.adminConnections"] = "7",
        ["limits.idleTimeout"] = "5s",
        ["limits.headerTimeout"] = "5s",
        ["limits.requestLine"] = "2KiB",
        ["limits.headers"] = "5KiB",
        ["limits.headerCount"] = "50",
        ["limits.manifest"] = "1MiB",
        ["limits.tagList"] = "1MiB",
        ["limits.fetches"] = "5",
        ["limits.waiting"] = "5",
        ["limits.logLines"] = "500",
    };

    [Fact]
    public void All_OptionsOfTheTable_AreEitherTakenOverOrNeedARestart() => Assert.Equal(
        OptionTable.All.Select(spec => spec.Path).Order(),
        RestartOptions.Live.Concat(RestartOptions.All.Select(option => option.Path)).Order());

    [Fact]
    public void Changed_EachOption_IsNamedAlone()
    {
        Assert.Equal(RestartOptions.All.Select(option => option.Path), Others.Keys);
        foreach (var spec in OptionTable.All.Where(spec => Others.ContainsKey(spec.Path)))
        {
            RawNode node = spec.IsList ? EnvironmentReader.CommaSeparated("test", Others[spec.Path]) : new RawScalar("test", Others[spec.Path]);
            var problems = new List<Problem>();
            var now = spec.Apply(spec, new EntrepotOptions(), node, spec.Path, problems);

            Assert.Empty(problems);
            Assert.Equal([spec.Path], RestartOptions.Changed(new EntrepotOptions(), now));
        }
    }

    [Fact]
    public void Changed_OnlyWhatIsTakenOver_NeedsNoRestart() => Assert.Empty(RestartOptions.Changed(
        new EntrepotOptions(),
        new EntrepotOptions { Offline = true, DefaultUpstream = "ghcr.io", Quota = QuotaSize.OfBytes(1 << 30), Upstreams = [] }));
}
