using Entrepot.Oci;
using Entrepot.Pull;

namespace Entrepot.Tests.Pull;

/// <summary>What is done about a tag, as a table: no store, no upstream, no clock.</summary>
public sealed class FreshnessTests
{
    private const string Gone = "404";
    private const string No = "403";

    private static readonly DateTimeOffset Then = new(2030, 1, 1, 0, 0, 0, TimeSpan.Zero);
    private static readonly TagRecord Record = new(Digest.Of("m"u8), MediaTypes.OciManifest, 1, Then);

    /// <summary>Age of the record in seconds (null: none), the last refusal and its age, options, action and why or status, patience in seconds (-1: as long as it takes).</summary>
    public static TheoryData<int?, string?, int, string, TagAction, string?, int> Before => new()
    {
        { 59, null, 0, "", TagAction.Hit, null, 0 },
        { 60, null, 0, "", TagAction.Ask, null, 2 },
        { 0, null, 0, "ttl0", TagAction.Ask, null, 2 },
        { 1_000_000, null, 0, "ttlUnlimited", TagAction.Hit, null, 0 },
        { 59, null, 0, "pattern30", TagAction.Ask, null, 2 },
        { 29, null, 0, "pattern30", TagAction.Hit, null, 0 },
        { -1, null, 0, "", TagAction.Ask, null, 2 },
        { null, null, 0, "", TagAction.Ask, null, -1 },
        { 60, null, 0, "wait0", TagAction.Ask, null, 0 },
        { 60, null, 0, "waitUnlimited", TagAction.Ask, null, -1 },
        { 99, null, 0, "stale100", TagAction.Ask, null, 2 },
        { 100, null, 0, "stale100", TagAction.Ask, null, -1 },
        { 60, null, 0, "stale0", TagAction.Ask, null, -1 },
        { null, Gone, 9, "", TagAction.Refuse, "404", 0 },
        { null, Gone, 10, "", TagAction.Ask, null, -1 },
        { null, Gone, 0, "negative0", TagAction.Ask, null, -1 },
        { null, Gone, -1, "", TagAction.Ask, null, -1 },
        { 60, Gone, 5, "", TagAction.Refuse, "404", 0 },
        { 60, No, 5, "", TagAction.Ask, null, -1 },
        { 60, No, 5, "whenDenied", TagAction.Ask, null, 2 },
        { null, No, 5, "", TagAction.Ask, null, -1 },
        { 59, null, 0, "offline", TagAction.Hit, null, 0 },
        { 3599, null, 0, "short", TagAction.Hit, null, 0 },
        { 3600, null, 0, "short", TagAction.Ask, null, 2 },
        { null, null, 0, "short", TagAction.Ask, null, -1 },
        { 60, null, 0, "offline", TagAction.Stale, "offline", 0 },
        { 60, null, 0, "offline,stale0", TagAction.Stale, "offline", 0 },
        { null, null, 0, "offline", TagAction.Refuse, "404", 0 },
    };

    [Theory]
    [MemberData(nameof(Before))]
    public void BeforeAsking_StateAndRules_SayWhatToDo(int? age, string? refused, int ago, string options, TagAction action, string? why, int patience)
    {
        var now = Then.AddSeconds(age ?? 0);
        var refusal = refused is null ? null : new Refusal(Error(int.Parse(refused)), now.AddSeconds(-ago));

        var decision = Freshness.BeforeAsking("v1.2", age is null ? null : Record, refusal, Rules(options), options.Contains("short", StringComparison.Ordinal), now);

        Assert.Equal((action, why), (decision.Action, decision.Why ?? decision.Error?.Status.ToString()));
        Assert.Equal(patience < 0 ? Timeout.InfiniteTimeSpan : TimeSpan.FromSeconds(patience), decision.Patience);
    }

    /// <summary>Age of the record in seconds (null: none), status (0: no answer yet), options, action and why (null: the error itself).</summary>
    public static TheoryData<int?, int, string, TagAction, string?> After => new()
    {
        { 60, 0, "", TagAction.Stale, "slow" },
        { 60, 503, "", TagAction.Stale, "unreachable" },
        { 60, 504, "", TagAction.Stale, "timeout" },
        { 60, 502, "", TagAction.Stale, "bad-answer" },
        { 60, 429, "", TagAction.Stale, "rate-limited" },
        { 1_000_000, 503, "", TagAction.Stale, "unreachable" },
        { 99, 503, "stale100", TagAction.Stale, "unreachable" },
        { 100, 503, "stale100", TagAction.Refuse, null },
        { 0, 429, "stale0", TagAction.Refuse, null },
        { null, 503, "", TagAction.Refuse, null },
        { 60, 404, "", TagAction.Refuse, null },
        { 60, 401, "", TagAction.Refuse, null },
        { 60, 403, "", TagAction.Refuse, null },
        { 60, 401, "whenDenied", TagAction.Stale, "denied" },
        { 60, 403, "whenDenied", TagAction.Stale, "denied" },
        { 60, 404, "whenDenied", TagAction.Refuse, null },
        { null, 403, "whenDenied", TagAction.Refuse, null },
    };

    [Theory]
    [MemberData(nameof(After))]
    public void AfterAsking_AnswerAndRules_SayWhatToDo(int? age, int status, string options, TagAction action, string? why)
    {
        var error = status == 0 ? null : Error(status);

        var decision = Freshness.AfterAsking(age is null ? null : Record, error, Rules(options), Then.AddSeconds(age ?? 0));

        Assert.Equal((action, why), (decision.Action, decision.Why));
        Assert.Same(error, decision.Error);
    }

    [Theory]
    [InlineData("v1", 1)]
    [InlineData("v", 1)]
    [InlineData("V1", 60)]
    [InlineData("rc-v1", 60)]
    [InlineData("v1-rc", 1)]
    [InlineData("1.2", 2)]
    [InlineData("1.22", 60)]
    [InlineData("1x2", 60)]
    [InlineData("latest", 3)]
    [InlineData("latest2", 60)]
    public void TtlOf_Patterns_MatchTheWholeTagAndTheFirstApplies(string tag, int seconds)
    {
        var rules = new FreshnessRules
        {
            TagTtl = TimeSpan.FromSeconds(60),
            Tags = [new("v*", TimeSpan.FromSeconds(1)), new("?.?", TimeSpan.FromSeconds(2)), new("v1-rc", TimeSpan.FromSeconds(9)), new("latest", TimeSpan.FromSeconds(3))],
        };

        Assert.Equal(TimeSpan.FromSeconds(seconds), rules.TtlOf(tag, isShort: false));
    }

    [Fact]
    public void Refusals_Full_BeginAnew()
    {
        var refusals = new Refusals();
        var refusal = new Refusal(RegistryError.ManifestUnknown, Then);
        for (var i = 0; i < Refusals.Limit; i++) refusals.Add(Tag(i), refusal);
        refusals.Add(Tag(0), refusal);
        Assert.Equal((Refusals.Limit, refusal), (refusals.Count, refusals.Find(Tag(1))));

        refusals.Add(Tag(-1), refusal);

        Assert.Equal((1, refusal, null), (refusals.Count, refusals.Find(Tag(-1)), refusals.Find(Tag(1))));

        static Reference Tag(int i) => new("docker.io", "library/alpine", $"t{i}");
    }

    private static RegistryError Error(int status) => new(status, "SCRIPTED", "scripted");

    private static FreshnessRules Rules(string options) => options.Split(',').Aggregate(new FreshnessRules(), (rules, option) => option switch
    {
        "ttl0" => rules with { TagTtl = TimeSpan.Zero },
        "ttlUnlimited" => rules with { TagTtl = Timeout.InfiniteTimeSpan },
        "pattern30" => rules with { Tags = [new("v*", TimeSpan.FromSeconds(30))] },
        "wait0" => rules with { RevalidateWait = TimeSpan.Zero },
        "waitUnlimited" => rules with { RevalidateWait = Timeout.InfiniteTimeSpan },
        "stale0" => rules with { StaleIfError = TimeSpan.Zero },
        "stale100" => rules with { StaleIfError = TimeSpan.FromSeconds(100) },
        "negative0" => rules with { NegativeTtl = TimeSpan.Zero },
        "whenDenied" => rules with { ServeWhenDenied = true },
        "offline" => rules with { Offline = true },
        _ => rules,
    });
}
