using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text.RegularExpressions;

namespace Entrepot.FunctionalTests.Registry;

/// <summary>
/// A registry on loopback that answers rightly unless a rule says otherwise, down to the bytes on the wire, and remembers what it was asked.
/// </summary>
/// <remarks>Safe for concurrent use. Starts with its construction; disposal ends every connection, also those that hang.</remarks>
public sealed partial class TestRegistry : IAsyncDisposable
{
    /// <summary>A rule's number of times without end.</summary>
    public const int Always = int.MaxValue;

    private readonly TcpListener _listener;
    private readonly CancellationTokenSource _end = new();
    private readonly ConcurrentDictionary<int, (Socket Socket, Task Served)> _connections = new();
    private readonly Lock _gate = new();
    private readonly List<Rule> _rules = [];                              // guarded by _gate
    private (int Now, int Most) _open;                                    // guarded by _gate; connections
    private (int Now, int Most) _busy;                                    // guarded by _gate; requests
    private readonly Dictionary<string, int> _signed = [];                // guarded by _gate; nonce to its uses left
    private readonly Task _accepting;
    private TestRegistry? _cdn;                                           // set before requests come
    private int _signatures;                                              // guarded by _gate of the CDN
    private int _usesOfSignature;
    private TokenService? _tokens;
    private Uri? _realm;

    /// <summary>Starts to listen.</summary>
    /// <param name="address">A loopback address; 127.0.0.1 by default. Others of 127.0.0.0/8 are other hosts.</param>
    /// <param name="port">A free one by default.</param>
    public TestRegistry(string address = "127.0.0.1", int port = 0)
    {
        _listener = new TcpListener(IPAddress.Parse(address), port);
        _listener.Start(512);
        Url = new Uri($"http://{_listener.LocalEndpoint}");
        _accepting = AcceptAsync();
    }

    public Uri Url { get; }

    public Content Content { get; init; } = new();

    public RequestLog Log { get; } = new();

    /// <summary>Whether it has the referrers API; without, it answers 404 there.</summary>
    public bool HasReferrers { get; set; } = true;

    /// <summary>Whether it serves parts of blobs; without, it answers 200 with the whole.</summary>
    public bool HasRanges { get; set; } = true;

    /// <summary>The <c>Authorization</c> that every request under /v2/ needs; <see langword="null"/> for none.</summary>
    public string? BasicAuthorization { get; set; }

    /// <summary>The token service that answers at /token; set by <see cref="RequireToken"/>, or for the sake of another registry.</summary>
    public TokenService? Tokens { get => _tokens; set => _tokens = value; }

    /// <summary>Bytes of blobs that were sent, whole or in part.</summary>
    public long BlobBytes => Log.All.Where(request => request is { IsBlob: true, Status: 200 or 206 }).Sum(request => request.Sent);

    /// <summary>Waits until all that was asked is answered, and counted.</summary>
    public Task ServedAsync() => Task.WhenAll(Log.All.Select(request => request.Done)).WaitAsync(TimeSpan.FromSeconds(20));

    /// <summary>Connections that are open.</summary>
    public int Connections => _connections.Values.Count(connection => !connection.Served.IsCompleted);

    /// <summary>Most connections that were open at the same moment. One that the client has just closed may still count.</summary>
    public int MostConnections { get { lock (_gate) return _open.Most; } }

    /// <summary>Most requests that were being answered at the same moment. One that the client has just given up may still count.</summary>
    public int MostRequests { get { lock (_gate) return _busy.Most; } }

    /// <summary>Body bytes a second on each connection; no limit if <see langword="null"/>. A rule may say otherwise of its answers.</summary>
    public long? BytesPerSecond { get; set; }

    /// <summary>What was sent of a blob.</summary>
    public BlobTraffic Traffic(TestBlob blob) => BlobTraffic.Of(Log.All, blob.Digest);

    /// <summary>How many GETs of a blob came.</summary>
    public int BlobGets => Log.Count(Ask.Blob);

    /// <summary>Answers the next matching requests wrongly. Of several rules the first that is not used up applies.</summary>
    /// <param name="match">Which requests.</param>
    /// <param name="behaviour">What is wrong with the answers.</param>
    /// <param name="times">How many of them are.</param>
    /// <param name="after">Matching requests that pass before, whatever they are answered.</param>
    public TestRegistry On(Func<ReceivedRequest, bool> match, Behaviour behaviour, int times = 1, int after = 0)
    {
        lock (_gate) _rules.Add(new Rule(match, behaviour, times, after));
        return this;
    }

    /// <summary>Forgets all rules.</summary>
    public void Behave()
    {
        lock (_gate) _rules.Clear();
    }

    /// <summary>Challenges every request under /v2/ that has no token.</summary>
    /// <param name="service">Who gives tokens out; a new one by default.</param>
    /// <param name="realm">Where tokens are to be had; its own /token by default.</param>
    public TokenService RequireToken(TokenService? service = null, Uri? realm = null)
    {
        _tokens = service ?? new TokenService();
        _realm = realm ?? new Uri(Url, "/token");
        return _tokens;
    }

    /// <summary>Answers blobs with a redirect to signed addresses of another host, which has the same content.</summary>
    /// <param name="cdn">The other host.</param>
    /// <param name="uses">How often each address can be used.</param>
    public void RedirectBlobsTo(TestRegistry cdn, int uses = 1)
    {
        _usesOfSignature = uses;
        _cdn = cdn;
    }

    /// <summary>Ends all connections and listens no more.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_end.IsCancellationRequested) return;
        await _end.CancelAsync();
        _listener.Dispose();
        await _accepting;
        foreach (var (socket, _) in _connections.Values) socket.Dispose();
        await Task.WhenAll(_connections.Values.Select(connection => connection.Served));
        _end.Dispose();
    }

    private async Task AcceptAsync()
    {
        for (var number = 1; ; number++)
        {
            Socket socket;
            try
            {
                socket = await _listener.AcceptSocketAsync(_end.Token);
            }
            catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
            {
                return;
            }

            socket.NoDelay = true;
            var connection = number;
            _connections[connection] = (socket, Task.Run(() => ServeAsync(socket, connection)));
        }
    }

    private async Task ServeAsync(Socket socket, int number)
    {
        Enter(ref _open);
        try
        {
            await using var wire = new Wire(socket, number);
            while (await wire.ReadAsync(_end.Token) is { } request)
            {
                if (!await AnswerAsync(wire, request)) break;
            }
        }
        catch (Exception e) when (e is IOException or SocketException or OperationCanceledException or ObjectDisposedException)
        {
            // The client or the test has ended the connection.
        }
        finally
        {
            socket.Dispose();
            Leave(ref _open);
        }
    }

    private async Task<bool> AnswerAsync(Wire wire, ReceivedRequest request)
    {
        Enter(ref _busy);
        request.OnAnswered(() => Leave(ref _busy));
        try
        {
            Log.Add(request);
            return await wire.WriteAsync(request, Answer(request), _end.Token);
        }
        finally
        {
            request.Answered();
            request.End();
        }
    }

    private void Enter(ref (int Now, int Most) count)
    {
        lock (_gate) count = (count.Now + 1, Math.Max(count.Most, count.Now + 1));
    }

    private void Leave(ref (int Now, int Most) count)
    {
        lock (_gate) count.Now--;
    }

    private Reply Answer(ReceivedRequest request)
    {
        var right = RightAnswer(request) with { BytesPerSecond = BytesPerSecond };
        Rule? rule;
        lock (_gate)
        {
            rule = _rules.FindAll(rule => rule.Sees(request)).FirstOrDefault();
            rule?.Use();
        }

        return rule is null ? right : rule.Behaviour(request, right);
    }

    private Reply RightAnswer(ReceivedRequest request)
    {
        if (request.IsToken) return _tokens?.Issue(request) ?? Reply.Error(404, "UNKNOWN");
        if (request.Path.StartsWith("/signed/", StringComparison.Ordinal)) return Signed(request);
        if (!request.Path.StartsWith("/v2/", StringComparison.Ordinal)) return Reply.Error(404, "UNKNOWN");

        var target = Target().Match(request.Path);
        var repository = target.Groups["repository"].Value;
        if (Refusal(request, repository) is { } refusal) return refusal;
        if (request.Path == "/v2/") return Reply.Json(200, "{}");

        var name = target.Groups["name"].Value;
        return target.Groups["kind"].Value switch
        {
            _ when request.Method is not ("GET" or "HEAD") => Reply.Error(405, "UNSUPPORTED"),
            "manifests" => RightAnswers.Manifest(Content, repository, name),
            "blobs" => _cdn?.Sign(name, _usesOfSignature) ?? RightAnswers.Blob(Content, request, name, HasRanges),
            "tags" => RightAnswers.Tags(Content, request, repository),
            "referrers" when HasReferrers => RightAnswers.Referrers(Content, request, repository, name),
            _ => Reply.Error(404, "UNKNOWN"),
        };
    }

    private Reply? Refusal(ReceivedRequest request, string repository)
    {
        if (_realm is { } realm) return _tokens!.Challenge(request, repository, realm);
        if (BasicAuthorization is { } basic && request.Header("Authorization") != basic)
            return Reply.Error(401, "UNAUTHORIZED").With("WWW-Authenticate", "Basic realm=\"test\"");
        return null;
    }

    private Reply Sign(string digest, int uses)
    {
        lock (_gate)
        {
            var nonce = $"n{++_signatures}";
            _signed.Add(nonce, uses);
            return new Reply(307).With("Location", new Uri(Url, $"/signed/{nonce}/{digest}?sig={nonce}&expires=60").ToString());
        }
    }

    private Reply Signed(ReceivedRequest request)
    {
        // As object stores do: two ways of authorising one request are refused.
        if (request.Header("Authorization") is not null) return Reply.Error(400, "INVALID_ARGUMENT");

        var parts = request.Path.Split('/');
        lock (_gate)
        {
            if (!_signed.TryGetValue(parts[2], out var left) || left == 0) return Reply.Error(403, "EXPIRED");
            _signed[parts[2]] = left - 1;
        }

        return RightAnswers.Blob(Content, request, parts[3], HasRanges).Without("Docker-Content-Digest");
    }

    [GeneratedRegex("^/v2/(?<repository>.+)/(?<kind>manifests|blobs|tags|referrers)/(?<name>[^/]+)$")]
    private static partial Regex Target();
}
