using System.Net;
using System.Net.Sockets;
using Entrepot.FunctionalTests.Registry;
using Entrepot.FunctionalTests.Upstream;

namespace Entrepot.FunctionalTests.Faults;

/// <summary>Where an upstream's fault meets what is configured, when it begins, or what else there is.</summary>
public sealed class SituationFaultTests : UpstreamFaultTest
{
    [Theory]
    [Fault("none, but `offline: true`")]
    public async Task Offline_NeedsNoUpstream(string fault)
    {
        var asked = Registry.Log.All.Count;
        await FailAsync(fault, Unhurried, one => one with { Freshness = one.Freshness with { Offline = true } });
        Assert.DoesNotContain(Registry.Log.All.Skip(asked), request => request.Path.Contains("/tags/", StringComparison.Ordinal));
    }

    [Theory]
    [Fault("the answer's headers stop half-way")]
    public async Task Headers_StopHalfWay_WhatIsKnownIsServed(string fault)
    {
        var server = new RawServer("HTTP/1.1 200 OK\r\nContent-Le", isSilentAfterwards: true);
        Servers.Push(server);
        await FailAsync(fault, OfAnswers, one => one with { Urls = [server.Address] });
    }

    [Theory]
    [Fault("the answer's headers drip, a byte at a time, for ever")]
    public async Task Headers_Drip_WhatIsKnownIsServed(string fault)
    {
        var server = new RawServer("HTTP/1.1 200 OK\r\nX-Drip: ", drips: true);
        Servers.Push(server);
        await FailAsync(fault, OfAnswers, one => one with { Urls = [server.Address] });
    }

    [Theory]
    [Fault("no answer comes, and `revalidateWait: 0s`")]
    public async Task Upstream_IsSlowerThanItIsWaitedFor_WhatIsKnownIsServed(string fault)
    {
        Registry.On(Ask.Anything, Misbehave.HangBeforeHeaders(), TestRegistry.Always);
        await FailAsync(fault, OfAnswers, one => one with { Freshness = one.Freshness with { RevalidateWait = TimeSpan.Zero } });
    }

    [Theory]
    [Fault("the first of two addresses refuses connections")]
    public Task FirstAddress_IsDown_TheNextIsAsked(string fault) => FailAsync(fault, Unhurried, one => one with { Urls = [Nowhere(), .. one.Urls] });

    [Theory]
    [Fault("the first of two addresses does not answer")]
    public async Task FirstAddress_Hangs_TheNextIsAsked(string fault)
    {
        var silent = new TestRegistry();
        Servers.Push(silent);
        silent.On(Ask.Anything, Misbehave.HangBeforeHeaders(), TestRegistry.Always);
        await FailAsync(fault, OfAnswers, one => one with { Urls = [silent.Url, .. one.Urls] });
    }

    [Theory]
    [Fault("the first of two addresses sends wrong manifests and layers")]
    public async Task FirstAddress_SendsWrongBytes_TheNextIsAsked(string fault)
    {
        var wrong = new TestRegistry { Content = Registry.Content };
        Servers.Push(wrong);

        // So slowly that its bytes have been read before they are known to be wrong.
        wrong.On(Ask.Blob, Misbehave.All(Misbehave.FlipByte(0), Misbehave.Throttle(200_000)), TestRegistry.Always).On(Ask.Manifest, Misbehave.FlipByte(0), TestRegistry.Always);
        await FailAsync(fault, Unhurried, one => one with { Urls = [wrong.Url, .. one.Urls] });
    }

    [Theory]
    [Fault("the first of two addresses answers with a captive portal's page", 200)]
    [Fault("the first of two addresses answers with a page with status 404", 404)]
    [Fault("the first of two addresses answers with a page with status 403", 403)]
    public async Task FirstAddress_AnswersWithAPage_TheNextIsAsked(string fault, int status)
    {
        var portal = new TestRegistry();
        Servers.Push(portal);
        portal.On(Ask.Anything, Misbehave.Html(status), TestRegistry.Always);
        await FailAsync(fault, Unhurried, one => one with { Urls = [portal.Url, .. one.Urls] });
    }

    [Theory]
    [Fault("the first of two addresses answers with something else than HTTP")]
    public async Task FirstAddress_SpeaksNoHttp_TheNextIsAsked(string fault)
    {
        var garbage = new RawServer("SSH-2.0-OpenSSH_9.2\r\n");
        Servers.Push(garbage);
        await FailAsync(fault, Unhurried, one => one with { Urls = [garbage.Address, .. one.Urls] });
    }

    [Theory]
    [Fault("Docker Hub's limit is used up: GETs of manifests are 429, and for how long is not said")]
    public async Task RateLimit_NamesNoTime_IsLeftAloneForAWhile(string fault)
    {
        Registry.On(Ask.AnyManifest, new HubLimit(0).Answer, TestRegistry.Always);
        await FailAsync(fault, Unhurried, one => one);
    }

    [Theory]
    [Fault("Docker Hub's limit is used up: GETs of manifests are 429 with Retry-After: 30")]
    public async Task RateLimit_IsUsedUp_WhatIsKnownIsServed(string fault)
    {
        Registry.On(Ask.AnyManifest, new HubLimit(0, retryAfter: 30).Answer, TestRegistry.Always);
        await FailAsync(fault, Unhurried, one => one);
    }

    [Theory]
    [Fault("the account is refused: 401 to everything", 401)]
    [Fault("access is denied: 403 to everything", 403)]
    public async Task Account_IsRefused_IsPassedOn(string fault, int status)
    {
        Registry.On(Ask.Anything, Misbehave.Status(status), TestRegistry.Always);
        await FailAsync(fault, Unhurried, one => one);
    }

    [Theory]
    [Fault("layers are redirected to a host that refuses connections", false)]
    [Fault("layers are redirected to a host that does not answer", true)]
    public async Task ContentNetwork_IsDead_ManifestsAreServed(string fault, bool hangs)
    {
        var silent = new TestRegistry();
        Servers.Push(silent);
        silent.On(Ask.Anything, Misbehave.HangBeforeHeaders(), TestRegistry.Always);
        Registry.On(request => request.IsBlob, Misbehave.RedirectTo(new Uri(hangs ? silent.Url : Nowhere(), "/layer")), TestRegistry.Always);
        await FailAsync(fault, hangs ? OfAnswers : Unhurried, one => one);
    }

    private static Uri Nowhere()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return new Uri($"http://{listener.LocalEndpoint}");
    }
}
