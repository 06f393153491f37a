using System.Net;
using System.Reflection;
using Entrepot.Oci;
using Entrepot.Pull;

namespace Entrepot.Upstream;

/// <summary>Single exchanges with hosts: one request, one answer, each wait bounded, each answer counted. Safe for concurrent use.</summary>
internal sealed class Wire : IDisposable
{
    // Long enough to be worth its handshake, short enough to follow a change in DNS.
    private static readonly TimeSpan ConnectionLifetime = TimeSpan.FromMinutes(3);
    private static readonly string Agent = "entrepot/" + typeof(Wire).Assembly
        .GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion.Split('+')[0];

    private readonly HttpMessageInvoker _invoker;
    private readonly IWebProxy? _proxy;
    private readonly UpstreamOptions _options;
    private readonly Bandwidth _bandwidth;
    private readonly Destinations _destinations;
    private readonly UpstreamCounters _counters;
    private readonly TimeProvider _clock;
    private volatile bool _closed;

    /// <param name="options">The upstream's name, for messages, the bounds of each wait, how many connections each of its hosts may see, and where its answers may lead.</param>
    /// <param name="bandwidth">What all bodies are read by.</param>
    /// <param name="counters">Where answers are counted.</param>
    /// <param name="clock">What the bounds are measured with.</param>
    /// <param name="proxy"><see langword="null"/> for what the environment's variables say.</param>
    public Wire(UpstreamOptions options, Bandwidth bandwidth, UpstreamCounters counters, TimeProvider clock, IWebProxy? proxy)
    {
        (_options, _bandwidth, _counters, _clock, _proxy) = (options, bandwidth, counters, clock, proxy);
        _destinations = new Destinations(options);
        _invoker = NewInvoker();
    }

    /// <summary>A request as every one is sent: HTTP/2 where TLS offers it, and no content encoding.</summary>
    public static HttpRequestMessage NewMessage(HttpMethod method, Uri address)
    {
        var message = new HttpRequestMessage(method, address)
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionOrLower,
        };
        message.Headers.TryAddWithoutValidation("User-Agent", Agent);
        message.Headers.TryAddWithoutValidation("Accept-Encoding", "identity");
        return message;
    }

    /// <summary>Sends a request and waits for the answer's headers; 5xx (but 501) and 429 are failures, all else is for the caller.</summary>
    /// <param name="message">The request.</param>
    /// <param name="kind">What it is counted as.</param>
    /// <param name="budget">Of the account that asks, told what the answer says of it; <see langword="null"/> if nobody's requests are counted there.</param>
    /// <param name="cancel">Ends the wait.</param>
    public async Task<Attempt<HttpResponseMessage>> ExchangeAsync(HttpRequestMessage message, string kind, Budget? budget, CancellationToken cancel)
    {
        var host = message.RequestUri!.Authority;
        using var bound = new CancellationTokenSource(_options.HeaderTimeout, _clock);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(bound.Token, cancel);
        try
        {
            var response = await SendAsync(message, both.Token);
            _counters.Answered(kind, (int)response.StatusCode);
            if (budget is not null) Tell(budget, response);
            return Judge(response, host, kind == RegistryTransport.BlobKind ? null : budget);
        }
        catch (OperationCanceledException e)
        {
            _counters.Answered(kind, null);
            if (cancel.IsCancellationRequested) throw;
            if (bound.IsCancellationRequested)
                return Attempt<HttpResponseMessage>.Dead(RegistryError.Silent(Says(host, "no answer in time")));
            // The handler's own bound on connecting.
            var what = e.InnerException is TimeoutException ? "no connection in time" : "the request was broken off";
            return Attempt<HttpResponseMessage>.Dead(RegistryError.Down(Says(host, what)));
        }
        catch (Exception e) when (e is HttpRequestException or IOException or NotSupportedException or ClosedUnansweredException)
        {
            _counters.Answered(kind, null);
            return Failed(e, host);
        }
    }

    /// <summary>An answer's body; its failures are <see cref="IOException"/>s.</summary>
    /// <param name="response">The answer.</param>
    /// <param name="close">What is done when the body is disposed, told whether it was read to its end: disposing the answer, and what belongs to it.</param>
    /// <param name="demand">Whether somebody waits for it.</param>
    /// <param name="watch">Told whether the body begins to come; <see langword="null"/> for nobody.</param>
    /// <param name="cancel">Ends opening.</param>
    public async Task<Answer<Stream>> OpenBodyAsync(HttpResponseMessage response, Action<bool> close, Demand demand, BodyWatch? watch, CancellationToken cancel)
    {
        var encoding = EncodingOf(response);
        var isGzip = encoding.Equals("gzip", StringComparison.OrdinalIgnoreCase) || encoding.Equals("x-gzip", StringComparison.OrdinalIgnoreCase);
        if (encoding.Length > 0 && !isGzip) return Unusable(response, $"the content encoding '{encoding}', which was not asked for");

        var source = await response.Content.ReadAsStreamAsync(cancel);
        var body = new BodyStream(source, close, response.Content.Headers.ContentLength, _options.Name, _options.Fetching.StallTimeout, _counters, _clock)
        {
            Bandwidth = _bandwidth,
            Demand = demand,
            Watch = watch,
        };
        return isGzip ? new GunzipStream(body, _options.Name) : body;
    }

    /// <summary>Waits by the clock that all its times are measured with.</summary>
    public Task PauseAsync(TimeSpan time) => Task.Delay(time, _clock);

    /// <summary>How a body is to be decoded; empty for not at all.</summary>
    public static string EncodingOf(HttpResponseMessage response) => string.Join(
        ", ", response.Content.Headers.ContentEncoding.Where(coding => !coding.Equals("identity", StringComparison.OrdinalIgnoreCase)));

    /// <summary>Reads a small body whole and disposes <paramref name="owner"/>; at most <paramref name="limit"/>, once decoded.</summary>
    public Task<Answer<byte[]>> ReadAsync(HttpResponseMessage response, IDisposable owner, BodyLimit limit, CancellationToken cancel) =>
        ReadAsync(response, owner, limit, null, cancel);

    /// <summary>The same, of which the host is told whether the body begins to come.</summary>
    public async Task<Answer<byte[]>> ReadAsync(HttpResponseMessage response, IDisposable owner, BodyLimit limit, BodyWatch? watch, CancellationToken cancel)
    {
        using var owned = owner;
        using var bound = new CancellationTokenSource(_options.RequestTimeout, _clock);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(bound.Token, cancel);
        var host = response.RequestMessage!.RequestUri!.Authority;
        var content = new MemoryStream();
        try
        {
            var opened = await OpenBodyAsync(response, _ => owner.Dispose(), Demand.Always, watch, both.Token);
            if (!opened.Has(out var body, out var error)) return error;
            await using var disposed = body;

            var buffer = new byte[16 << 10];
            int count;
            while ((count = await body.ReadAsync(buffer, both.Token)) > 0)
            {
                if (content.Length + count > limit.Bytes) return Unusable(response, $"more than {limit}");
                content.Write(buffer, 0, count);
            }
            return content.ToArray();
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            var silent = RegistryError.Silent(Says(host, "its answer did not arrive in time"));
            if (content.Length == 0) watch?.IsSilent(silent.Detail!);
            return silent;
        }
        catch (StalledException e)
        {
            return RegistryError.Silent(Says(host, e.Message));
        }
        catch (IOException e)
        {
            return RegistryError.Down(Says(host, e.Message));
        }
    }

    /// <summary>Reads an answer to its end, at most <paramref name="limit"/>, so that its connection is free while the answer is still of use.</summary>
    public async Task SettleAsync(HttpResponseMessage response, BodyLimit limit, CancellationToken cancel)
    {
        var body = response.Content;
        var read = await ReadAsync(response, body, limit, cancel);
        response.Content = new ByteArrayContent(read.Value ?? []);
        response.Content.Headers.ContentType = body.Headers.ContentType;
    }

    /// <summary>The error for an answer that makes no sense.</summary>
    public RegistryError Unusable(HttpResponseMessage response, string what) =>
        RegistryError.BadGateway(Says(response.RequestMessage!.RequestUri!.Authority, $"it sent {what}"));

    /// <summary>Why a redirect must not be followed, as far as its address shows; <see langword="null"/> if it may be.</summary>
    public string? Objection(Uri address) => _destinations.Objection(address);

    /// <summary>A detail that names the upstream, the host and what happened there.</summary>
    public string Says(string host, string what) => $"{_options.Name} ({host}): {Plain.Line(what)}";

    /// <summary>Closes the connections that nothing is read from, and the others after their answers. Sending stays possible, with a connection for each request.</summary>
    public void Dispose()
    {
        _closed = true;
        _invoker.Dispose();
    }

    private async Task<HttpResponseMessage> SendAsync(HttpRequestMessage message, CancellationToken cancel)
    {
        try
        {
            if (!_closed) return await _invoker.SendAsync(message, cancel);
        }
        catch (ObjectDisposedException) when (_closed)
        {
            // It was closed between the look and the sending, of which nothing has happened yet.
        }

        // The connection outlives its invoker until the answer has been read.
        using var own = NewInvoker();
        return await own.SendAsync(message, cancel);
    }

    private HttpMessageInvoker NewInvoker() => new(new SocketsHttpHandler
    {
        AllowAutoRedirect = false,
        UseCookies = false,
        AutomaticDecompression = DecompressionMethods.None,
        ConnectTimeout = _options.ConnectTimeout,
        ConnectCallback = _destinations.ConnectAsync,
        PooledConnectionLifetime = ConnectionLifetime,
        // Beside the requests that are let in there are those for tokens; a request that was given up may still be connecting.
        MaxConnectionsPerServer = _options.Connections,
        EnableMultipleHttp2Connections = true,
        PlaintextStreamFilter = static (connection, _) =>
            ValueTask.FromResult(connection.NegotiatedHttpVersion.Major == 1 ? new FirstWordStream(connection.PlaintextStream) : connection.PlaintextStream),
        ActivityHeadersPropagator = null,
        Proxy = _proxy,
    });

    // What the handler says of an answer quotes it, and of a proxy its address, account and all: that is neither for clients nor for the log.
    private Attempt<HttpResponseMessage> Failed(Exception fault, string host)
    {
        return fault switch
        {
            HttpRequestException { InnerException: ForbiddenAddressException forbidden } => Nonsense(forbidden.Message),
            HttpRequestException { HttpRequestError: HttpRequestError.InvalidResponse } => Nonsense("it sent something else than HTTP"),
            HttpRequestException { HttpRequestError: HttpRequestError.ConfigurationLimitExceeded } => Nonsense("it sent more than 64 KiB of headers"),
            HttpRequestException { HttpRequestError: HttpRequestError.ProxyTunnelError } refused => Dead(
                refused.StatusCode is { } status ? $"the proxy answered {(int)status} instead of opening a tunnel" : "the proxy did not open a tunnel"),
            NotSupportedException => Dead("the proxy that the environment names is of an unknown kind"),
            _ => Dead((fault.InnerException ?? fault).Message),
        };

        Attempt<HttpResponseMessage> Nonsense(string what) => Attempt<HttpResponseMessage>.Refused(RegistryError.BadGateway(Says(host, what)));

        Attempt<HttpResponseMessage> Dead(string what) => Attempt<HttpResponseMessage>.Dead(RegistryError.Down(Says(host, what)));
    }

    // A client that is told no time asks again at once, and so do all that it shares an address with. A fetch has pauses of its own.
    private Attempt<HttpResponseMessage> Judge(HttpResponseMessage response, string host, Budget? silenced)
    {
        var status = (int)response.StatusCode;
        if (status is not 429 and (< 500 or 501)) return Attempt<HttpResponseMessage>.Of(response);

        using var disposed = response;
        var pause = PauseOf(response);
        return status == 429
            ? Attempt<HttpResponseMessage>.Refused(RegistryError.TooManyRequests(pause ?? silenced?.RetryAfter(_clock.GetUtcNow())) with { Detail = Says(host, "it answered 429") }, pause)
            : Attempt<HttpResponseMessage>.Broken(RegistryError.Down(Says(host, $"it answered {status}"), pause), pause);
    }

    private TimeSpan? PauseOf(HttpResponseMessage response)
    {
        // A date is measured by the clock that wrote it, where the answer shows that.
        var after = response.Headers.RetryAfter;
        var pause = after?.Delta ?? (after?.Date - (response.Headers.Date ?? _clock.GetUtcNow()));
        return pause < TimeSpan.Zero ? TimeSpan.Zero : pause;
    }

    private void Tell(Budget budget, HttpResponseMessage response)
    {
        // Who is challenged has not been told apart from others yet.
        if (response.StatusCode == HttpStatusCode.Unauthorized) return;

        var now = _clock.GetUtcNow();
        budget.Tell(Header("ratelimit-limit"), Header("ratelimit-remaining"), Header("docker-ratelimit-source"), now);
        if (response.StatusCode == HttpStatusCode.TooManyRequests) budget.Limit(PauseOf(response), now);

        string? Header(string name) => response.Headers.NonValidated.TryGetValues(name, out var value) ? value.ToString() : null;
    }
}
