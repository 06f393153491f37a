using Entrepot.Pull;
using Entrepot.Upstream;

namespace Entrepot.Tests.Upstream;

public sealed class UpstreamSetTests : IDisposable
{
    private readonly UpstreamSet _set = new(new UpstreamTimes(), new UpstreamLimits(), TimeProvider.System);

    private static UpstreamOptions Blank => new() { Name = "a", Urls = [new("https://a")] };

    /// <summary>One change of each property.</summary>
    public static TheoryData<string> Properties =>
        [.. typeof(UpstreamOptions).GetProperties().Concat(typeof(FreshnessRules).GetProperties()).Concat(typeof(FetchRules).GetProperties())
            .Select(property => property.Name).Except(["EqualityContract", "Freshness", "Fetching"])];

    [Theory]
    [MemberData(nameof(Properties))]
    public void Equals_OneOtherProperty_IsOther(string property)
    {
        var rules = Blank.Freshness;
        var other = property switch
        {
            "Name" => Blank with { Name = "b" },
            "Urls" => Blank with { Urls = [new("https://b")] },
            "Hosts" => Blank with { Hosts = ["h"] },
            "Username" => Blank with { Username = "u" },
            "Password" => Blank with { Password = "p" },
            "PasswordFile" => Blank with { PasswordFile = "f" },
            "DockerConfig" => Blank with { DockerConfig = "d" },
            "Accounts" => Blank with { Accounts = [new("u", "p", null)] },
            "PrivateRedirects" => Blank with { PrivateRedirects = true },
            "RateLimitReserve" => Blank with { RateLimitReserve = 11 },
            "TokenRealms" => Blank with { TokenRealms = ["t"] },
            "Bandwidth" => Blank with { Bandwidth = 1000 },
            "Connections" => Blank with { Connections = 1 },
            "ConnectTimeout" => Blank with { ConnectTimeout = TimeSpan.FromSeconds(1) },
            "HeaderTimeout" => Blank with { HeaderTimeout = TimeSpan.FromSeconds(1) },
            "RequestTimeout" => Blank with { RequestTimeout = TimeSpan.FromSeconds(1) },
            "TagTtl" => Blank with { Freshness = rules with { TagTtl = TimeSpan.Zero } },
            "Tags" => Blank with { Freshness = rules with { Tags = [new TagRule("v*", TimeSpan.Zero)] } },
            "RevalidateWait" => Blank with { Freshness = rules with { RevalidateWait = TimeSpan.Zero } },
            "StaleIfError" => Blank with { Freshness = rules with { StaleIfError = TimeSpan.Zero } },
            "NegativeTtl" => Blank with { Freshness = rules with { NegativeTtl = TimeSpan.Zero } },
            "ServeWhenDenied" => Blank with { Freshness = rules with { ServeWhenDenied = true } },
            "Offline" => Blank with { Freshness = rules with { Offline = true } },
            "ParallelRuns" => Blank with { Fetching = new FetchRules { ParallelRuns = 1 } },
            "Fill" => Blank with { Fetching = new FetchRules { Fill = FillMode.Touched } },
            "StallTimeout" => Blank with { Fetching = new FetchRules { StallTimeout = TimeSpan.FromSeconds(1) } },
            _ => throw new ArgumentException($"UpstreamOptions.{property} is new: it has to count in Equals", nameof(property)),
        };

        Assert.NotEqual(Blank, other);
    }

    [Fact]
    public void Equals_SameValuesInOtherLists_IsEqual()
    {
        var options = Filled();

        Assert.Equal(options, Filled());
        Assert.Equal(options.GetHashCode(), Filled().GetHashCode());

        static UpstreamOptions Filled() => Blank with
        {
            Urls = [new("https://a"), new("https://b")],
            Hosts = ["h"],
            TokenRealms = ["t"],
            Freshness = new() { Tags = [new("v*", TimeSpan.FromHours(1))] },
        };
    }

    [Fact]
    public void Replace_SomeChanged_KeepsTheOthersAndNamesEach()
    {
        var first = _set.Replace([Blank, Blank with { Name = "b" }, Blank with { Name = "c" }]);
        var before = _set.Now;
        var second = _set.Replace([Blank, Blank with { Name = "b", Connections = 1 }, Blank with { Name = "d" }]);

        Assert.Equal(["a", "b", "c"], first.Added);
        Assert.Empty(first.Retired);
        Assert.Same(before[0], _set.Now[0]);
        Assert.Equal([before[1], before[2]], second.Retired);
        Assert.Equal(["d"], second.Added);
        Assert.Equal(["b"], second.Changed);
        Assert.Equal(["c"], second.Removed);
        Assert.Equal(1, _set.Now[1].Options.Connections);
    }

    [Fact]
    public void Replace_SameOptions_ChangesNothing()
    {
        _set.Replace([Blank, Blank with { Name = "b" }]);
        var before = _set.Now;

        Assert.True(_set.Replace([Blank, Blank with { Name = "b" }]).IsNone);
        Assert.Equal(before, _set.Now);
    }

    [Fact]
    public void Replace_NameThatComesBack_HasItsCountersStill()
    {
        _set.Replace([Blank]);
        var counters = _set.Counters.Single().Counters;
        _set.Replace([Blank with { Name = "b" }]);
        _set.Replace([Blank with { Connections = 1 }]);

        Assert.Equal(["a", "b"], _set.Counters.Select(one => one.Name).Order());
        Assert.Same(counters, _set.Counters.Single(one => one.Name == "a").Counters);
    }

    public void Dispose() => _set.Dispose();
}
