using System.Globalization;
using Entrepot.FunctionalTests.Registry;

namespace Entrepot.FunctionalTests.Faults;

/// <summary>An upstream that answers, but not with what it was asked for.</summary>
public sealed class AnswerFaultTests : UpstreamFaultTest
{
    [Theory]
    [Fault("no answer comes", "hang")]
    [Fault("bodies do not come", "body hangs")]
    [Fault("bodies drip, 100 bytes a second", "body drips")]
    [Fault("bodies are reset", "body reset")]
    [Fault("bodies end early", "body cut")]
    [Fault("500 to everything", "500")]
    [Fault("502 to everything", "502")]
    [Fault("503 to everything", "503")]
    [Fault("503 with Retry-After: 30 to everything", "503 30")]
    [Fault("504 to everything", "504")]
    [Fault("429 to everything", "429")]
    [Fault("429 with Retry-After: 30 to everything", "429 30")]
    [Fault("a captive portal's page, with status 200", "html")]
    [Fault("a page with status 404", "html 404")]
    [Fault("404 in plain text, as of a router whose registry is away", "plain 404")]
    [Fault("a page with status 403", "html 403")]
    [Fault("a page with status 401 and no challenge", "html 401")]
    [Fault("a redirect to a captive portal", "portal")]
    [Fault("redirects in a circle", "circle")]
    public async Task Upstream_Misbehaves_WhatIsKnownIsServed(string fault, string behaviour)
    {
        Registry.On(Ask.Anything, Behave(behaviour), TestRegistry.Always);
        await FailAsync(fault, behaviour is "hang" or "body hangs" or "body drips" ? OfAnswers : Unhurried, one => one);
    }

    [Theory]
    [Fault("its token service does not answer", "hang")]
    [Fault("its token service answers 500", "500")]
    [Fault("its token service answers 429 with Retry-After: 30", "429 30")]
    [Fault("its token service answers with a captive portal's page", "html")]
    [Fault("its token service answers with a page with status 403", "html 403")]
    public async Task TokenService_Misbehaves_WhatIsKnownIsServed(string fault, string behaviour)
    {
        Registry.RequireToken();
        Registry.On(Ask.Token, Behave(behaviour), TestRegistry.Always);
        await FailAsync(fault, behaviour is "hang" ? OfAnswers : Unhurried, one => one);
    }

    private Behaviour Behave(string behaviour) => behaviour switch
    {
        "hang" => Misbehave.HangBeforeHeaders(),
        "body hangs" => Misbehave.HangAt(0),
        "body drips" => Misbehave.Throttle(100),
        "body reset" => Misbehave.Reset(10),
        "body cut" => Misbehave.Cut(10),
        "html" => Misbehave.Html(),
        "plain 404" => Misbehave.PlainNotFound(),
        "portal" => (request, right) => request.Path == "/login" ? Misbehave.Html()(request, right) : new Reply(302).With("Location", new Uri(Registry.Url, "/login").ToString()),
        "circle" => Misbehave.RedirectTo(new Uri(Registry.Url, "/v2/org/app/manifests/1")),
        _ when behaviour.Split(' ') is ["html", var status] => Misbehave.Html(int.Parse(status, CultureInfo.InvariantCulture)),
        _ when behaviour.Split(' ') is [var status, var after] => Misbehave.Status(int.Parse(status, CultureInfo.InvariantCulture), "Retry-After", after),
        _ => Misbehave.Status(int.Parse(behaviour, CultureInfo.InvariantCulture)),
    };
}
