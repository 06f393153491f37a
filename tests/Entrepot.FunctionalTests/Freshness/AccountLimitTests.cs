using System.Collections.Concurrent;
using Entrepot.FunctionalTests.Admin;
using Entrepot.FunctionalTests.Kit;
using Entrepot.FunctionalTests.Registry;

namespace Entrepot.FunctionalTests.Freshness;

/// <summary>Several accounts at a registry that wants tokens, as Docker Hub does: each is counted by itself.</summary>
public sealed class AccountLimitTests : IAsyncLifetime
{
    private readonly TestRegistry _registry = new();
    private readonly ConcurrentQueue<string> _counted = new();   // the accounts of counted requests, as they came
    private readonly Dictionary<string, HubLimit> _limits = new() { ["ci"] = new HubLimit(12, source: "ci-team"), ["prod"] = new HubLimit(12, source: "prod-team") };
    private readonly List<TestImage> _images = [];
    private string? _refused;   // the account whose counted requests are too many, whatever was said before
    private TokenService _tokens = null!;
    private Appliance _cache = null!;

    public async Task InitializeAsync()
    {
        _tokens = _registry.RequireToken();
        _registry.On(Ask.AnyManifest, Answer, TestRegistry.Always);
        _cache = await Appliance.StartAsync(_registry, new Setup { Upstream = one => one with { Accounts = [new("ci", "secret", null), new("prod", "secret", null)] } });
        for (var i = 0; i < 6; i++) _images.Add(_registry.Content.AddImage("org/app", $"v{i}", TestBlob.Random(100, seed: 790 + i)));
    }

    public async Task DisposeAsync()
    {
        await _cache.DisposeAsync();
        await _registry.DisposeAsync();
    }

    [Fact]
    public async Task Pulls_AreMadeWithEachAccountsToken_AndTheirBudgetsAreTold()
    {
        await PullAsync(0, 5);

        // The first keeps ten: the answer that leaves nine says so. Each has a token of its own, for all of the repository.
        Assert.Equal(["ci", "ci", "ci", "prod", "prod"], _counted);
        Assert.Equal(2, _tokens.Issued);
        var metrics = await _cache.MetricsAsync();
        foreach (var (account, left) in ((string, int)[])[("ci", 9), ("prod", 10)])
        {
            string[] labels = ["upstream=\"docker.io\"", $"account=\"{account}\""];
            Assert.Equal(12, metrics.Sum("entrepot_upstream_ratelimit_limit", labels));
            Assert.Equal(left, metrics.Sum("entrepot_upstream_ratelimit_remaining", labels));
            Assert.Equal(0, metrics.Sum("entrepot_upstream_ratelimited_seconds", labels));
        }

        var told = (await AdminClient.StatusAsync(_cache)).Json["upstreams"]![0]!["accounts"]!.AsArray();
        Assert.Equal([("ci", 9, "ci-team"), ("prod", 10, "prod-team")],
            told.Select(one => ((string)one!["account"]!, (int)one["remaining"]!, (string)one["source"]!)).Order());
    }

    [Fact]
    public async Task Pull_OneAccountIsLimited_IsMadeWithTheOthersToken()
    {
        await PullAsync(0, 5);
        _refused = "prod";

        await PullAsync(5, 6);

        Assert.Equal(["prod", "ci"], _counted.Skip(5));
        Assert.Equal(2, _tokens.Issued);
        var metrics = await _cache.MetricsAsync();
        Assert.InRange(metrics.Sum("entrepot_upstream_ratelimited_seconds", "account=\"prod\""), 200, 300);
        Assert.Equal(0, metrics.Sum("entrepot_upstream_ratelimited_seconds", "account=\"ci\""));
        Assert.Equal(8, metrics.Sum("entrepot_upstream_ratelimit_remaining", "account=\"ci\""));
        Assert.Equal(1, metrics.Sum("entrepot_upstream_requests_total", "upstream=\"docker.io\"", "code=\"429\""));
    }

    private async Task PullAsync(int from, int to)
    {
        for (var i = from; i < to; i++) (await _cache.GetManifestAsync($"v{i}")).Is(_images[i].Manifest.Bytes);
    }

    // Of requests that come one after the other.
    private Reply Answer(ReceivedRequest request, Reply right)
    {
        if (_tokens.AccountOf(request) is not { } account) return right;
        if (request.Method == "GET") _counted.Enqueue(account);
        return account == _refused && request.Method == "GET" ? Reply.Error(429, "TOOMANYREQUESTS").With("Retry-After", "300") : _limits[account].Answer(request, right);
    }
}
