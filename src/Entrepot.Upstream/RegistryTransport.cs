using System.Net;
using System.Net.Http.Headers;
using Entrepot.Oci;
using Entrepot.Pull;
using Polly;
using Polly.Retry;

namespace Entrepot.Upstream;

/// <summary>Gets an answer from one upstream: its addresses, tries again, authentication, redirects, and how many at once.</summary>
/// <remarks>
/// A request takes (1) a place among the upstream's connections, then up to three tries (see <see cref="Attempt{T}.IsWorthAgain"/>), each of which (2) goes
/// through the addresses in order until one is not dead, (3) answers its challenge, and (4) follows redirects, to hosts that are not dead. Each step gives its connection back before the
/// next one needs one, so that a place is one connection, and who holds a place never waits for another. The wait for a place and all tries together are each
/// bounded by <see cref="UpstreamOptions.RequestTimeout"/>; what nobody waits for waits for its place as long as others are before it. Safe for concurrent use.
/// </remarks>
internal sealed class RegistryTransport : IDisposable
{
    /// <summary>The kind of requests for blobs.</summary>
    public const string BlobKind = "blob";

    private const int TriesAgain = 2;
    private const int MostRedirects = 5;

    // Of a refusal; it holds the reasons, for people.
    private static readonly BodyLimit RefusalLimit = new(16 << 10);

    private readonly string _name;
    private readonly TimeSpan _patience;
    private readonly TimeProvider _clock;
    private readonly Wire _wire;
    private readonly Accounts _accounts;
    private readonly Authenticator _authenticator;
    private readonly Turnstile _places;
    private readonly int _mostWaiting;
    private readonly Endpoint[] _endpoints;
    private readonly RedirectHosts _elsewhere;
    private readonly ResiliencePipeline<Attempt<HttpResponseMessage>> _tries;

    public RegistryTransport(
        UpstreamOptions options, Allowance allowance, UpstreamTimes times, int mostWaiting, UpstreamCounters counters, TimeProvider clock, IWebProxy? proxy)
    {
        (_name, _places, _mostWaiting, _patience, _clock) = (options.Name, allowance.Places, mostWaiting, options.RequestTimeout, clock);
        _wire = new Wire(options, allowance.Bandwidth, counters, clock, proxy);
        _accounts = new Accounts(options, counters, clock);
        _authenticator = new Authenticator(options, _wire, clock);
        _endpoints = [.. options.Urls.Select(NewEndpoint)];
        _elsewhere = new RedirectHosts(NewEndpoint);
        _tries = new ResiliencePipelineBuilder<Attempt<HttpResponseMessage>> { TimeProvider = clock }
            .AddRetry(new RetryStrategyOptions<Attempt<HttpResponseMessage>>
            {
                MaxRetryAttempts = TriesAgain,
                BackoffType = DelayBackoffType.Exponential,
                UseJitter = true,
                Delay = times.Pause,
                DelayGenerator = static tried => ValueTask.FromResult(tried.Outcome.Result.Pause),

                // Whoever limits is asked once more: a limit by the second is over then, and a longer one is not.
                ShouldHandle = static tried =>
                    ValueTask.FromResult(tried.Outcome.Result is { IsWorthAgain: true } failed && (failed.IsDead || tried.AttemptNumber == 0)),
            })
            .Build();

        Endpoint NewEndpoint(Uri url) => new(url, times.Break, clock, (endpoint, why) => allowance.CircuitChanged(new CircuitChange(options.Name, endpoint.Address, why)))
        {
            Ping = PingAsync,
        };
    }

    /// <summary>Whether every address is found dead, so that asking would be refused at once.</summary>
    public bool IsDown => _endpoints.All(endpoint => endpoint.IsDown);

    /// <summary>Whether no account has more than the reserve left of the requests that the upstream allows.</summary>
    public bool IsShort => _accounts.IsShort;

    /// <summary>How the circuit to each address stands.</summary>
    public IEnumerable<Circuit> Circuits => _endpoints.Select(endpoint => endpoint.Circuit);

    /// <summary>Requests that wait for a place.</summary>
    public int Waiting => _places.Waiting;

    /// <summary>Whether no address gave a sign of life when it was last asked.</summary>
    public bool WasDead => _endpoints.All(endpoint => endpoint.WasDead);

    /// <summary>Sends a request until it is answered; the caller disposes the answer, of whatever status below 429.</summary>
    public async Task<Answer<RegistryResponse>> SendAsync(RegistryRequest request, CancellationToken cancel)
    {
        // What an upstream that limits wants not to be asked is not asked; blobs are another matter, since images have begun to be pulled with them.
        if (request.Kind != BlobKind && _accounts.LimitedFor is { } wait)
            return RegistryError.TooManyRequests(wait) with { Detail = $"{_name}: it answered 429 before and is not asked until its Retry-After is over" };

        var place = await EnterAsync(request.Demand, cancel);
        if (place is null) return RegistryError.Busy($"{_name}: all of its connections are in use, and too many requests wait for one or waited too long");
        try
        {
            var call = new Call(request, cancel);
            var tried = await TryUntilAsync(call);
            if (tried.Value is not { } response) return tried.Error!;

            var answer = new RegistryResponse(response, place, request.Demand, _wire)
            {
                Origin = _endpoints.Length > 1 ? call.Answered : null,
                Watch = new BodyWatch(call.Host!, request.Kind == BlobKind ? request.Path : null),
            };
            place = null;
            return answer;
        }
        finally
        {
            place?.Dispose();
        }
    }

    /// <inheritdoc/>
    /// <remarks>Only connections are given up: the rest is memory, and is still used by whoever goes on (see <see cref="RegistryUpstream"/>).</remarks>
    public void Dispose() => _wire.Dispose();

    // Bounded apart from the tries: a place that came late must not make a healthy upstream look silent.
    private async Task<IDisposable?> EnterAsync(Demand demand, CancellationToken cancel)
    {
        while (_places.Waiting < _mostWaiting)
        {
            var wasWanted = demand.IsWanted;
            using var bound = new CancellationTokenSource(_patience, _clock);
            using var both = CancellationTokenSource.CreateLinkedTokenSource(bound.Token, cancel);
            try
            {
                return await _places.EnterAsync(demand, both.Token);
            }
            catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
            {
                // Nobody's patience has ended if nobody waited all the time. All who wait that way come again in their order.
                if (wasWanted && demand.IsWanted) return null;
            }
        }

        return null;
    }

    private async Task<Attempt<HttpResponseMessage>> TryUntilAsync(Call call)
    {
        var cancel = call.Caller;
        using var bound = new CancellationTokenSource(_patience, _clock);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(bound.Token, cancel);
        var last = Attempt<HttpResponseMessage>.Dead(RegistryError.Silent($"{_name}: no answer within {_patience.TotalSeconds:0.###} s"));
        try
        {
            return await _tries.ExecuteAsync(async waiting => last = await TryAsync(call, waiting), both.Token);
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            // The end of the time came while pausing: what the last try found out says more than that.
            return last;
        }
    }

    private async ValueTask<Attempt<HttpResponseMessage>> TryAsync(Call call, CancellationToken cancel)
    {
        Attempt<HttpResponseMessage>? worst = null;
        var left = _endpoints.Length;
        foreach (var endpoint in InOrder(call.Request))
        {
            call.Answered = endpoint.Name;
            var attempt = await FromAsync(endpoint, call, cancel);
            if (--left > 0) attempt = NoPage(attempt);
            if (attempt.Error is not { Status: 502 or 503 or 504 }) return attempt;
            // One that was really asked says more than one that is left alone.
            if (worst is null || attempt.IsDead || attempt.Error.Status == 502) worst = attempt;
        }
        return worst!.Value;
    }

    // Whoever answers with a page in place of everything says nothing of what the next address has. Of the last one the caller decides what a page means.
    private Attempt<HttpResponseMessage> NoPage(Attempt<HttpResponseMessage> attempt)
    {
        if (attempt.Value is not { } response || !RegistryResponse.IsPageFrom(response)) return attempt;
        using (response) return Unusable(response, RegistryResponse.PageFrom(response));
    }

    // Those whose bytes were wrong come last: wrong is better than nothing only where it may have become right.
    private IEnumerable<Endpoint> InOrder(RegistryRequest request) =>
        request.Distrusted.Count == 0 ? _endpoints : _endpoints.OrderBy(endpoint => request.Distrusted.Contains(endpoint.Name));

    private async ValueTask<Attempt<HttpResponseMessage>> FromAsync(Endpoint endpoint, Call call, CancellationToken cancel)
    {
        var attempt = await FollowAsync(endpoint, call, cancel);
        if (!IsRefusedElsewhere(endpoint, attempt)) return attempt;

        // A signed address may have ended between being given out and being used; the registry gives a new one.
        attempt.Value!.Dispose();
        attempt = await FollowAsync(endpoint, call, cancel);
        if (!IsRefusedElsewhere(endpoint, attempt)) return attempt;

        using var refused = attempt.Value!;
        return Attempt<HttpResponseMessage>.Refused(
            _wire.Unusable(refused, $"status {(int)refused.StatusCode}, although the registry redirected there"));
    }

    private static bool IsRefusedElsewhere(Endpoint endpoint, Attempt<HttpResponseMessage> attempt) =>
        attempt.Value is { StatusCode: HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden } response
        && !endpoint.Holds(response.RequestMessage!.RequestUri!);

    private async ValueTask<Attempt<HttpResponseMessage>> FollowAsync(Endpoint endpoint, Call call, CancellationToken cancel)
    {
        var address = endpoint.At(call.Request.Path);
        call.Host = endpoint;
        var attempt = await UnlessDeadAsync(endpoint, call, bounded => AskAsync(endpoint, address, call.Request, bounded), cancel);

        for (var redirects = 0; attempt.Value is { } response && Redirect.Is(response.StatusCode); redirects++)
        {
            using (response)
            {
                if (redirects == MostRedirects) return Unusable(response, $"more than {MostRedirects} redirects");
                if (Redirect.Target(address, response.Headers.Location, out var next) is { } problem) return Unusable(response, problem);
                if (!endpoint.Holds(next!) && _wire.Objection(next!) is { } objection) return Attempt<HttpResponseMessage>.Refused(RegistryError.BadGateway(_wire.Says(address.Authority, objection)));
                address = next!;
            }

            call.Host = endpoint.Holds(address) ? endpoint : _elsewhere.Of(address);
            attempt = call.Host == endpoint
                ? await AskAsync(endpoint, address, call.Request, cancel)
                : await UnlessDeadAsync(call.Host, call, bounded => ExchangeAsync(address, call.Request, Grant.None, null, bounded), cancel);
        }
        return attempt;
    }

    // Within the circuit breaker the end of the time counts as silence, which it is; the client's leaving does not.
    private ValueTask<Attempt<HttpResponseMessage>> UnlessDeadAsync(
        Endpoint host, Call call, Func<CancellationToken, Task<Attempt<HttpResponseMessage>>> ask, CancellationToken cancel)
    {
        return host.TryAsync(AskOrDieAsync, _wire.Says(host.Address.Authority, "it failed repeatedly and is left alone for a while"), cancel);

        async ValueTask<Attempt<HttpResponseMessage>> AskOrDieAsync(CancellationToken bounded)
        {
            try
            {
                return await ask(bounded);
            }
            catch (OperationCanceledException) when (!call.Caller.IsCancellationRequested)
            {
                return Attempt<HttpResponseMessage>.Dead(RegistryError.Silent(_wire.Says(host.Address.Authority, "no answer in time")));
            }
        }
    }

    // Asks with one account after the other while the upstream limits them.
    private async Task<Attempt<HttpResponseMessage>> AskAsync(Endpoint endpoint, Uri address, RegistryRequest request, CancellationToken cancel)
    {
        for (var tries = 1; ; tries++)
        {
            var account = _accounts.Choose();
            var attempt = await AskAsync(endpoint, address, request, account, cancel);
            if (attempt.Error?.Status != 429 || tries == _accounts.Count || _accounts.Choose() == account || _accounts.LimitedFor is not null) return attempt;
        }
    }

    private async Task<Attempt<HttpResponseMessage>> AskAsync(
        Endpoint endpoint, Uri address, RegistryRequest request, Account account, CancellationToken cancel)
    {
        var granted = await _authenticator.GrantAsync(endpoint.Address, endpoint.Challenge, account, request.Repository, null, cancel);
        if (granted.Value is not { } grant) return granted.As<HttpResponseMessage>();

        var attempt = await ExchangeAsync(address, request, grant, account.Budget, cancel);
        if (attempt.Value is not { StatusCode: HttpStatusCode.Unauthorized } refusal) return attempt;
        if (Challenge.Choose(WaysIn(refusal)) is not { } challenge) return attempt;

        endpoint.Challenge = challenge;
        await _wire.SettleAsync(refusal, RefusalLimit, cancel);
        var isLast = false;
        try
        {
            granted = await _authenticator.GrantAsync(endpoint.Address, challenge, account, request.Repository, grant, cancel);
            // With nothing else to show, the refusal is the answer.
            isLast = granted.Value is { } renewed && (renewed.Header is null || renewed == grant);
            if (isLast) return attempt;
        }
        finally
        {
            if (!isLast) refusal.Dispose();
        }

        return granted.Value is null
            ? granted.As<HttpResponseMessage>()
            : await ExchangeAsync(address, request, granted.Value, account.Budget, cancel);
    }

    private async Task<Attempt<HttpResponseMessage>> ExchangeAsync(
        Uri address, RegistryRequest request, Grant grant, Budget? budget, CancellationToken cancel)
    {
        using var message = request.ToMessage(address);
        message.Headers.Authorization = grant.Header;
        return await _wire.ExchangeAsync(message, request.Kind, budget, cancel);
    }

    // Any answer but 5xx is one, also that it wants an account or, of a host that blobs are redirected to, that there is no such thing.
    private async Task<bool> PingAsync(Uri address, CancellationToken cancel)
    {
        using var message = Wire.NewMessage(HttpMethod.Get, address);
        var tried = await _wire.ExchangeAsync(message, "ping", null, cancel);
        tried.Value?.Dispose();
        return !tried.IsDead;
    }

    private static HeaderStringValues WaysIn(HttpResponseMessage response) =>
        response.Headers.NonValidated.TryGetValues("WWW-Authenticate", out var lines) ? lines : default;

    private Attempt<HttpResponseMessage> Unusable(HttpResponseMessage response, string what) =>
        Attempt<HttpResponseMessage>.Refused(_wire.Unusable(response, what));

    // One request with all its tries, used by one of them at a time.
    private sealed record Call(RegistryRequest Request, CancellationToken Caller)
    {
        /// <summary>The address that was asked last, and so the one that answered if one did.</summary>
        public string? Answered { get; set; }

        /// <summary>The same, or where it redirected to.</summary>
        public Endpoint? Host { get; set; }
    }
}
