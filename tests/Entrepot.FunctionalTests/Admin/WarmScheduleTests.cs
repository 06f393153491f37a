using System.Text.Json.Nodes;
using Entrepot.FunctionalTests.Kit;
using Entrepot.FunctionalTests.Registry;
using Entrepot.Server.Admin;
using Entrepot.Server.Options;

namespace Entrepot.FunctionalTests.Admin;

/// <summary>Schedules of the options' file, done by a whole appliance: at its start, and after the options are read again.</summary>
public sealed class WarmScheduleTests : SiteTest
{
    private const string Warm = """
        warm:
          - { from: lists/images.txt, every: 6h, platforms: [linux/amd64], pin: true }
          - { from: lists/none.txt, every: 6h }
        """;

    private static readonly TimeSpan Every = TimeSpan.FromHours(6);

    // No request times out while the time is moved ahead.
    private static readonly TestTimes NoTimeouts = Setup.Patient with { Headers = TimeSpan.FromDays(7), Total = TimeSpan.FromDays(7), Stall = TimeSpan.FromDays(7) };

    private readonly HeldClock _clock = new(TimeSpan.FromSeconds(5));
    private string _warm = Warm;

    // Relative paths begin at the options' file, which is not where this process runs.
    private protected override Setup Setup => new() { Clock = _clock, Times = NoTimeouts, Options = Read };

    public override async Task InitializeAsync()
    {
        Directory.CreateDirectory(In("lists"));
        Write("lists/images.txt", "org/app:multi\n");
        await base.InitializeAsync();
    }

    [Fact]
    public async Task Start_WithSchedules_WarmsAsTheySayAndTellsWhatIsWrong()
    {
        var (amd, arm) = (AddImage("amd", 540), AddImage("arm", 541));
        var index = AddIndex("multi", (amd, "linux/amd64"), (arm, "linux/arm64"));

        await RunFirstAsync(2);

        await IsPinnedAsync("multi");
        await Cache.PullAsync(amd with { Tag = amd.Manifest.Digest.ToString() });
        (await Cache.GetManifestAsync("multi")).Is(index.Bytes);
        Assert.DoesNotContain(Registry.Log.All, request => request.Method == "GET" && request.Path.EndsWith(arm.Manifest.Digest.ToString(), StringComparison.Ordinal));
        Assert.False(Cache.Store.Has(arm.Layers[0].Digest));
        await TellsAsync($"Warming from {In("lists/none.txt")} went wrong at ");
        Assert.EndsWith("cannot be read: there is no such file", Assert.Single(await ProblemsAsync()), StringComparison.Ordinal);

        var later = AddImage("later", 542);
        Write("lists/none.txt", "org/app:later");
        _clock.Advance(Every);

        await Cache.StoredAsync(later.Layers[0].Digest);
        await TellsAsync();
    }

    [Fact]
    public async Task Reload_WithOtherSchedules_EndsThoseThatAreGoneAndBeginsThoseThatAreNew()
    {
        var image = AddImage("multi", 543);
        await RunFirstAsync(2);
        await Cache.StoredAsync(image.Layers[0].Digest);
        await TellsAsync($"Warming from {In("lists/none.txt")} went wrong at ");

        Reload("warm: []");

        await TellsAsync();
        await Appliance.UntilAsync(() => Task.FromResult(_clock.Waiting(Every) == 0), () => "a schedule goes on");

        var added = AddImage("added", 544);
        Write("lists/added.txt", "org/app:added");
        Reload("warm: [{ from: lists/added.txt, every: 6h, pin: true }]");
        await RunFirstAsync(1);

        await Cache.StoredAsync(added.Layers[0].Digest);
        await IsPinnedAsync("added");
    }

    private EntrepotOptions Read(EntrepotOptions options)
    {
        var read = OptionsReader.Read(new OptionSources(Write("entrepot.yaml", _warm), new Dictionary<string, string>(), new Dictionary<string, IReadOnlyList<string>>()));
        Assert.Empty(read.Problems);
        return options with { Warm = read.Options.Warm };
    }

    private void Reload(string warm)
    {
        _warm = warm;
        Cache.Reload(Read);
    }

    // Others wait as long as schedules do before their first time, so it is moved ahead until these have begun.
    private Task RunFirstAsync(int schedules) => Appliance.UntilAsync(
        () =>
        {
            if (_clock.Waiting(Every) < schedules) _clock.Advance(WarmSchedules.FirstAfter);
            return Task.FromResult(_clock.Waiting(Every) == schedules);
        },
        () => $"{_clock.Waiting(Every)} of {schedules} schedules have begun");

    private Task IsPinnedAsync(string tag) => Appliance.UntilAsync(
        async () => JsonNode.Parse((await Cache.AdminAsync($"/api/v1/images?ref=org/app:{tag}")).Text)!["images"]!.AsArray().Any(image => (bool)image!["pinned"]! && (bool)image["complete"]!),
        () => $"{tag} is not pinned");

    private async Task<IReadOnlyList<string>> ProblemsAsync() =>
        [.. JsonNode.Parse((await Cache.AdminAsync("/api/v1/status")).Text)!["problems"]!.AsArray().Select(problem => (string)problem!)];

    // Waits until status has these sentences, and no others.
    private async Task TellsAsync(params string[] beginnings)
    {
        IReadOnlyList<string> told = [];
        await Appliance.UntilAsync(
            async () => (told = await ProblemsAsync()).Count == beginnings.Length && told.Zip(beginnings).All(pair => pair.First.StartsWith(pair.Second, StringComparison.Ordinal)),
            () => $"status says\n{string.Join('\n', told)}");
    }

    private TestImage AddImage(string tag, int seed) => Registry.Content.AddImage("org/app", tag, TestBlob.Random(2000, seed));
}
