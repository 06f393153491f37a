using Entrepot.FunctionalTests.Kit;
using Entrepot.FunctionalTests.Registry;
using Entrepot.Server.Options;
using Entrepot.Upstream;

namespace Entrepot.FunctionalTests.Faults;

/// <summary>An upstream that fails: what is known is served, what is not fails in bounded time with the right code, and what comes after the fault is right.</summary>
public abstract class UpstreamFaultTest : IAsyncLifetime
{
    private const string Repository = "/v2/org/app";
    private const string Ordinary = "Upstreams";

    /// <summary>For faults that show in connecting: no other bound is near.</summary>
    private protected static readonly TestTimes OfConnecting = Setup.Patient with { Connect = TimeSpan.FromMilliseconds(200), Break = TimeSpan.FromMinutes(1) };

    /// <summary>For faults that show in an answer: no bound is near, however busy the machine is.</summary>
    private protected static readonly TestTimes Unhurried = Setup.Patient with { Break = TimeSpan.FromMinutes(1) };

    /// <summary>For faults that show in silence.</summary>
    private protected static readonly TestTimes OfAnswers = Setup.Impatient with { Total = TimeSpan.FromSeconds(4), Break = TimeSpan.FromMinutes(1) };

    private readonly ShiftedClock _clock = new();
    private Appliance _cache = null!;
    private TestImage _known = null!;
    private TestImage _unknown = null!;

    private protected TestRegistry Registry { get; } = new();

    private protected Stack<IAsyncDisposable> Servers { get; } = new();

    public async Task InitializeAsync()
    {
        _cache = await Appliance.StartAsync(Registry, new Setup
        {
            Clock = _clock,
            Upstream = one => one with { Freshness = new() { RevalidateWait = Timeout.InfiniteTimeSpan } },
        });
        _known = Registry.Content.AddImage("org/app", "known", TestBlob.Random(20_000, seed: 700));
        _unknown = Registry.Content.AddImage("org/app", "unknown", TestBlob.Random(20_000, seed: 701));
        await _cache.PullAsync(_known);
        _clock.Advance(TimeSpan.FromSeconds(100));
    }

    public async Task DisposeAsync()
    {
        await _cache.DisposeAsync();
        await Registry.DisposeAsync();
        while (Servers.TryPop(out var server)) await server.DisposeAsync();
    }

    /// <summary>Asks for everything while the upstream is as <paramref name="change"/> says, and for what is unknown when that is over.</summary>
    /// <param name="fault">What is wrong.</param>
    /// <param name="times">How long the upstream is waited for then.</param>
    /// <param name="change">What is configured meanwhile.</param>
    /// <param name="section">Which table of the page the row is in.</param>
    /// <param name="options">What else is configured from then on.</param>
    private protected async Task FailAsync(
        string fault, TestTimes times, Func<UpstreamOptions, UpstreamOptions> change, string section = Ordinary, Func<EntrepotOptions, EntrepotOptions>? options = null)
    {
        var right = _cache.Options.Upstreams[0];
        var witness = new Witness(_cache);
        var patient = _cache.Times;
        _cache.Times = times.Fixed;
        await _cache.RestartAsync(now => (options?.Invoke(now) ?? now) with { Upstreams = [times.In(change(right))] });   // with the fault: a start needs no upstream
        await witness.BeginAsync();

        await AskAsync("known tag", "/manifests/known", _known.Manifest.Bytes);
        await AskAsync("known digest", $"/manifests/{_known.Manifest.Digest}", _known.Manifest.Bytes);
        await AskAsync("known layer", $"/blobs/{_known.Layers[0].Digest}", _known.Layers[0].Bytes);
        await AskAsync("unknown tag", "/manifests/unknown", _unknown.Manifest.Bytes);
        await AskAsync("unknown digest", $"/manifests/{_unknown.Manifest.Digest}", _unknown.Manifest.Bytes);
        await AskAsync("unknown layer", $"/blobs/{_unknown.Layers[0].Digest}", _unknown.Layers[0].Bytes);
        await AskAsync("tags", "/tags/list", null);
        await AskAsync("referrers", $"/referrers/{_known.Manifest.Digest}", null);
        Renew();
        for (var i = 0; i < 4; i++) await witness.AgainAsync(Repository + "/manifests/unknown");
        var row = await witness.RowAsync(fault);

        Registry.Behave();
        _cache.Times = patient;
        await _cache.RestartAsync(now => now with { Upstreams = [right] });
        if (section != Ordinary) _clock.Advance(TimeSpan.FromSeconds(100));   // a lie about a tag holds for as long as the truth
        await _cache.PullAsync(_unknown);
        FaultPage.Tell(section, row);

        Task AskAsync(string what, string path, byte[]? bytes) => witness.AskAsync(what, Repository + path, bytes, Renew);

        // One that nobody has asked yet: circuits, tokens and connections are new with it.
        void Renew() => _cache.ReloadUpstream(one => times.In(change(right)) with { Connections = 127 - one.Connections });
    }
}
