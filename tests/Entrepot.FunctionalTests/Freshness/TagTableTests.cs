using System.Globalization;
using Entrepot.FunctionalTests.Kit;
using Entrepot.FunctionalTests.Registry;
using Entrepot.Pull;

namespace Entrepot.FunctionalTests.Freshness;

/// <summary>What a pull by tag is answered with: what is known × what the upstream does × what the options say, row by row.</summary>
public sealed class TagTableTests
{
    private const string Hit = "Entrepot; hit";
    private const string Fetched = "Entrepot; fwd=miss; stored";
    private const string Revalidated = "Entrepot; fwd=stale; fwd-status=200";
    private const string Stale = "Entrepot; fwd=stale; detail=";
    private const int Day = 24 * 3600;

    /// <summary>
    /// What is known: <c>unknown</c>, <c>fresh</c> (30 s old), <c>old</c> (100 s), <c>ancient</c> (10 days), <c>incomplete</c> (100 s, no layers), <c>gone</c>
    /// (told as 404, 5 s ago), <c>long gone</c> (15 s ago). Then the upstream, the options, and of the answer: status, Cache-Status, Age, and
    /// the requests that the upstream got (+: repeated).
    /// </summary>
    public static TheoryData<string, string, string, int, string?, int?, string> Rows => new()
    {
        { "unknown", "same", "", 200, Fetched, null, "HEAD GET" },
        { "unknown", "deleted", "", 404, null, null, "HEAD" },
        { "unknown", "stopped", "", 503, null, null, "" },
        { "unknown", "429", "", 429, null, null, "HEAD" },
        { "unknown", "401", "", 401, null, null, "HEAD" },
        { "unknown", "403", "whenDenied", 403, null, null, "HEAD" },
        { "unknown", "same", "offline", 404, null, null, "" },

        { "fresh", "same", "", 200, Hit, 30, "" },
        { "fresh", "moved", "", 200, Hit, 30, "" },
        { "fresh", "deleted", "", 200, Hit, 30, "" },
        { "fresh", "stopped", "", 200, Hit, 30, "" },
        { "fresh", "401", "", 200, Hit, 30, "" },
        { "fresh", "same", "offline", 200, Hit, 30, "" },
        { "fresh", "same", "ttl 0s", 200, Revalidated, 0, "HEAD" },
        { "fresh", "same", "pattern 10s", 200, Revalidated, 0, "HEAD" },

        { "old", "same", "", 200, Revalidated, 0, "HEAD" },
        { "old", "moved", "", 200, Fetched, 0, "HEAD GET" },
        { "old", "deleted", "", 404, null, null, "HEAD" },
        { "old", "stopped", "", 200, Stale + "unreachable", 100, "" },
        { "old", "503", "", 200, Stale + "unreachable", 100, "HEAD+" },
        { "old", "429", "", 200, Stale + "rate-limited", 100, "HEAD" },
        { "old", "nonsense", "", 200, Stale + "bad-answer", 100, "HEAD" },
        { "old", "silent", "", 200, Stale + "timeout", 100, "HEAD+" },
        { "old", "silent", "wait 0s", 200, Stale + "slow", 100, "HEAD+" },
        { "old", "moved, GET 429", "", 200, Stale + "rate-limited", 100, "HEAD GET" },
        { "old", "moved, GET 404", "", 200, Stale + "bad-answer", 100, "HEAD GET" },
        { "old", "401", "", 401, null, null, "HEAD" },
        { "old", "403", "", 403, null, null, "HEAD" },
        { "old", "401", "whenDenied", 200, Stale + "denied", 100, "HEAD" },
        { "old", "403", "whenDenied", 200, Stale + "denied", 100, "HEAD" },
        { "old", "deleted", "whenDenied", 404, null, null, "HEAD" },
        { "old", "moved", "ttl unlimited", 200, Hit, 100, "" },
        { "old", "moved", "pattern unlimited", 200, Hit, 100, "" },
        { "old", "moved", "offline", 200, Stale + "offline", 100, "" },

        { "ancient", "stopped", "", 200, Stale + "unreachable", 10 * Day, "" },
        { "ancient", "stopped", "stale 1h", 503, null, null, "" },
        { "ancient", "429", "stale 1h", 429, null, null, "HEAD" },
        { "ancient", "same", "stale 1h", 200, Revalidated, 0, "HEAD" },
        { "old", "429", "stale 1h", 200, Stale + "rate-limited", 100, "HEAD" },
        { "ancient", "silent", "stale 1h, wait 0s", 504, null, null, "HEAD+" },
        { "ancient", "deleted", "offline, stale 1h", 200, Stale + "offline", 10 * Day, "" },

        { "incomplete", "same", "", 200, Revalidated, 0, "HEAD" },
        { "incomplete", "stopped", "", 503, null, null, "" },
        { "incomplete", "401", "whenDenied", 401, null, null, "HEAD" },
        { "incomplete", "same", "offline", 503, null, null, "" },
        { "incomplete", "same", "wait 0s", 200, Revalidated, 0, "HEAD" },

        { "gone", "same", "", 404, null, null, "" },
        { "gone", "stopped", "", 404, null, null, "" },
        { "gone", "same", "negative 0s", 200, Fetched, null, "HEAD GET" },
        { "long gone", "same", "", 200, Fetched, null, "HEAD GET" },
    };

    [Theory]
    [MemberData(nameof(Rows))]
    public async Task Get_ByTag_IsAnsweredAsTheRowSays(
        string state, string upstream, string options, int status, string? cacheStatus, int? age, string requests)
    {
        var clock = new ShiftedClock();
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry, new Setup
        {
            Clock = clock,
            Times = upstream == "silent" ? Setup.Impatient : Setup.Patient,
            Upstream = one => one with { Freshness = Rules(options) },
        });
        var known = await KnowAsync(state, registry, cache, clock);
        if (options.Contains("offline", StringComparison.Ordinal)) await cache.RestartAsync(one => one with { Offline = true });
        var asked = registry.Log.All.Count;
        var now = await BecomeAsync(upstream, registry);

        var got = await cache.GetManifestAsync("1");

        Assert.Equal((status, cacheStatus), (got.Status, got.CacheStatus));
        if (status == 200) got.Is((cacheStatus is Fetched or Revalidated ? now ?? known : known)!.Manifest.Bytes);
        else Assert.NotNull(got.ErrorCode);
        if (age is { } seconds) Assert.InRange(int.Parse(got.Header("Age")!, CultureInfo.InvariantCulture), seconds, seconds + 15);
        else Assert.Null(got.Header("Age"));
        if (cacheStatus == Stale + "slow") await registry.Log.WaitAsync(Ask.AnyManifest, asked + 1);
        Assert.Equal(requests, Methods(registry, asked, requests.EndsWith('+')));
    }

    // Brings the cache to know what the row says, at the time that it says. Returns what the tag means then.
    private static async Task<TestImage?> KnowAsync(string state, TestRegistry registry, Appliance cache, ShiftedClock clock)
    {
        if (state.EndsWith("gone", StringComparison.Ordinal)) (await cache.GetManifestAsync("1")).IsError(404, "MANIFEST_UNKNOWN");
        var image = registry.Content.AddImage("org/app", "1", TestBlob.Random(1000, seed: 200));
        if (state is "fresh" or "old" or "ancient") await cache.PullAsync(image);
        if (state is "incomplete") (await cache.GetManifestAsync("1")).Is(image.Manifest.Bytes);
        clock.Advance(TimeSpan.FromSeconds(state switch
        {
            "fresh" => 30,
            "old" or "incomplete" => 100,
            "ancient" => 10 * Day,
            "gone" => 5,
            "long gone" => 15,
            _ => 0,
        }));
        return image;
    }

    // Returns what the tag means from now on, if that is something else.
    private static async Task<TestImage?> BecomeAsync(string upstream, TestRegistry registry)
    {
        switch (upstream)
        {
            case "same":
                return null;
            case "moved":
                return Moved(registry);
            case "moved, GET 429" or "moved, GET 404":
                registry.On(Ask.Manifest, Misbehave.Status(int.Parse(upstream[^3..], CultureInfo.InvariantCulture)), TestRegistry.Always);
                return Moved(registry);
            case "deleted":
                registry.Content.RemoveTag("org/app", "1");
                return null;
            case "stopped":
                await registry.DisposeAsync();
                return null;
            case "nonsense":
                registry.On(Ask.Anything, Misbehave.Html(), TestRegistry.Always);
                return null;
            case "silent":
                registry.On(Ask.Anything, Misbehave.HangBeforeHeaders(), TestRegistry.Always);
                return null;
            default:
                registry.On(Ask.Anything, Misbehave.Status(int.Parse(upstream, CultureInfo.InvariantCulture)), TestRegistry.Always);
                return null;
        }
    }

    private static TestImage Moved(TestRegistry registry) => registry.Content.AddImage("org/app", "1", TestBlob.Random(1000, seed: 201));

    private static string Methods(TestRegistry registry, int asked, bool isRepeated)
    {
        var methods = registry.Log.All.Skip(asked).Select(request => request.Method).ToList();
        return isRepeated ? string.Join(' ', methods.Distinct()) + "+" : string.Join(' ', methods);
    }

    // Patient unless the row says otherwise, so that no timer decides.
    private static FreshnessRules Rules(string options) => options.Split(", ").Aggregate(
        new FreshnessRules { RevalidateWait = Timeout.InfiniteTimeSpan },
        (rules, option) => option switch
        {
            "ttl 0s" => rules with { TagTtl = TimeSpan.Zero },
            "ttl unlimited" => rules with { TagTtl = Timeout.InfiniteTimeSpan },
            "pattern 10s" => rules with { Tags = [new("x*", TimeSpan.FromDays(1)), new("?", TimeSpan.FromSeconds(10))] },
            "pattern unlimited" => rules with { Tags = [new("1*", Timeout.InfiniteTimeSpan), new("1", TimeSpan.Zero)] },
            "wait 0s" => rules with { RevalidateWait = TimeSpan.Zero },
            "stale 1h" => rules with { StaleIfError = TimeSpan.FromHours(1) },
            "negative 0s" => rules with { NegativeTtl = TimeSpan.Zero },
            "whenDenied" => rules with { ServeWhenDenied = true },
            _ => rules,
        });
}
