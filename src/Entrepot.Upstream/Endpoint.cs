using Entrepot.Oci;

namespace Entrepot.Upstream;

/// <summary>One address of an upstream, or that it redirects to: how it wants to be asked, and whether it is found dead. Safe for concurrent use.</summary>
/// <remarks>
/// Its circuit breaker is not Polly's, though tries again are. That one opens by the share of failures in a window: a silent address, each try of which takes ten
/// seconds, fails too seldom for a short window, and a long one is held closed by a single success long ago. Here failures in a row count, however slow they come, unless
/// it answered a moment ago. And a refusal tells how long to wait without an exception, and each change, with why, is one line of the log.
/// <para>
/// An answer of 5xx may be about one broken repository, which its clients ask for again and again: it would hold the circuit open for everybody, since one of them is as likely as not
/// the one that finds out whether the address lives again. So what tells of the address as a whole is asked before such answers are believed (<see cref="Ping"/>). Silence is not asked
/// about: it costs everybody his time, also where something in front of a dead registry still answers the ping, and so do answers that take long.
/// </para>
/// <para>
/// Bodies of which nothing ever comes cost as much, and are counted by themselves, because the answers' headers say each time that it lives. The tries of one blob count once: it may be the
/// only one that is broken. Once so many were awaited in vain, only one that comes ends the break.
/// </para>
/// </remarks>
internal sealed class Endpoint
{
    // Two whole requests with their tries, or so many at once: a registry that answers 500 for one broken repository is not dead.
    private const int FailuresToOpen = 4;

    // What answered so short a time ago, other requests than those that fail, is not dead either.
    private static readonly TimeSpan Quiet = TimeSpan.FromSeconds(10);

    // An answer that takes longer costs as much as silence.
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(2);

    private readonly Lock _gate = new();
    private readonly TimeProvider _clock;
    private readonly TimeSpan _pause;
    private readonly Action<Endpoint, string?> _changed;
    private volatile bool _isOpen;         // guarded by _gate, as is what follows, but that every hit looks whether it is false
    private bool _wasDead;
    private int _failures;                 // since it last answered
    private int _silentBodies;             // since one came
    private string? _silentBlob;           // the last of them that was of a blob
    private bool _isPinged;
    private DateTimeOffset _answeredAt;
    private DateTimeOffset _bodyAt;        // when one came last
    private DateTimeOffset _aloneUntil;

    /// <param name="address">Scheme, host and port.</param>
    /// <param name="pause">How long it is left alone.</param>
    /// <param name="clock">The time.</param>
    /// <param name="changed">Told, with why, when it is found dead, and, with <see langword="null"/>, when it lives again; must return at once.</param>
    public Endpoint(Uri address, TimeSpan pause, TimeProvider clock, Action<Endpoint, string?> changed) =>
        (Address, Name, _pause, _clock, _changed) = (address, address.GetLeftPart(UriPartial.Authority), pause, clock, changed);

    /// <summary>Scheme, host and port.</summary>
    public Uri Address { get; }

    /// <summary>The same, as text.</summary>
    public string Name { get; }

    /// <summary>Asks for what every registry has, whoever asks, and tells whether the answer was a sign of life; never, where nothing is said.</summary>
    public Func<Uri, CancellationToken, Task<bool>> Ping { get; init; } = static (_, _) => Task.FromResult(false);

    /// <summary>What it last asked for, so that the next repository gets its token without a refusal first; <see langword="null"/> at first.</summary>
    public Challenge? Challenge { get; set; }

    /// <summary>Whether it would be refused to ask it now: it is left alone, or one request is finding out whether it lives again.</summary>
    public bool IsDown => Circuit is Circuit.Open;

    /// <summary>How its circuit stands.</summary>
    public Circuit Circuit
    {
        get
        {
            if (!_isOpen) return Circuit.Closed;
            lock (_gate) return !_isOpen ? Circuit.Closed : _clock.GetUtcNow() < _aloneUntil ? Circuit.Open : Circuit.HalfOpen;
        }
    }

    /// <summary>Whether it gave no sign of life when it was last really asked, however long ago that is.</summary>
    public bool WasDead
    {
        get { lock (_gate) return _wasDead; }
    }

    /// <summary>Asks, unless the endpoint is found dead; then it is refused at once, with the time after which asking makes sense.</summary>
    public async ValueTask<Attempt<HttpResponseMessage>> TryAsync(
        Func<CancellationToken, ValueTask<Attempt<HttpResponseMessage>>> ask, string refusal, CancellationToken cancel)
    {
        bool findsOut;
        lock (_gate)
        {
            var now = _clock.GetUtcNow();
            if (_isOpen && now < _aloneUntil) return Attempt<HttpResponseMessage>.Refused(RegistryError.Down(refusal, _aloneUntil - now));

            // This one finds out for all; until it has, or for one more pause, they are refused.
            findsOut = _isOpen;
            if (findsOut) _aloneUntil = now + _pause;
        }

        var began = _clock.GetTimestamp();
        var tried = await ask(cancel);
        bool? lives = tried.IsAnswered && _clock.GetElapsedTime(began) < Soon && MayPing(findsOut) ? await LivesAsync(cancel) : null;
        Learn(tried, findsOut, lives);
        return tried;
    }

    /// <summary>A body that was waited for has begun to come.</summary>
    public void BodyCame()
    {
        lock (_gate)
        {
            var isAwaited = _silentBodies >= FailuresToOpen;
            (_silentBodies, _silentBlob, _bodyAt) = (0, null, _clock.GetUtcNow());
            if (isAwaited) Close();
        }
    }

    /// <summary>Of a body nothing came for as long as it is waited for.</summary>
    /// <param name="why">What is told of that.</param>
    /// <param name="blob">The blob that it is, whose tries in a row count once; <see langword="null"/> if it is none.</param>
    public void BodyIsSilent(string why, string? blob)
    {
        lock (_gate)
        {
            _wasDead = true;
            if (blob is not null && blob == _silentBlob) return;

            var now = _clock.GetUtcNow();
            (_silentBodies, _silentBlob) = (_silentBodies + 1, blob ?? _silentBlob);
            if (!_isOpen && _silentBodies >= FailuresToOpen && now - _bodyAt >= Quiet) Open(now, why);
        }
    }

    /// <summary>Whether an address is at this endpoint, so that it may be sent what is for the endpoint only.</summary>
    public bool Holds(Uri address) =>
        Uri.Compare(Address, address, UriComponents.SchemeAndServer, UriFormat.UriEscaped, StringComparison.OrdinalIgnoreCase) == 0;

    /// <summary>The address of something at this endpoint.</summary>
    public Uri At(string path) => new(Address, path);

    // One at a time, where otherwise it would be found dead, or still dead.
    private bool MayPing(bool findsOut)
    {
        lock (_gate)
        {
            if (_isPinged || !(findsOut || (!_isOpen && _failures + 1 >= FailuresToOpen && _clock.GetUtcNow() - _answeredAt >= Quiet))) return false;
            return _isPinged = true;
        }
    }

    private async Task<bool> LivesAsync(CancellationToken cancel)
    {
        try
        {
            return await Ping(At("/v2/"), cancel);
        }
        catch (OperationCanceledException)   // the request's time is over: then what it was answered holds
        {
            return false;
        }
    }

    private void Learn(Attempt<HttpResponseMessage> tried, bool findsOut, bool? lives)
    {
        lock (_gate)
        {
            var now = _clock.GetUtcNow();
            if (lives is not null) _isPinged = false;
            _wasDead = tried.IsDead && lives is not true;
            if (!_wasDead)
            {
                (_failures, _answeredAt) = (0, now);
                if (_silentBodies < FailuresToOpen) Close();
                else if (findsOut && !HasBody(tried)) _aloneUntil = now;   // whoever comes next may find out whether bodies come
                return;
            }

            _failures++;
            if (findsOut) _aloneUntil = now + _pause;
            if (_isOpen || _failures < FailuresToOpen || now - _answeredAt < Quiet) return;

            // Another one is finding out whether that means anything.
            if (!tried.IsAnswered || !_isPinged) Open(now, tried.Error?.Detail ?? "");
        }
    }

    private static bool HasBody(Attempt<HttpResponseMessage> tried) =>
        tried.Value is { IsSuccessStatusCode: true, RequestMessage.Method: var method } && method == HttpMethod.Get;

    private void Open(DateTimeOffset now, string why)
    {
        (_isOpen, _aloneUntil) = (true, now + _pause);
        _changed(this, why);
    }

    private void Close()
    {
        if (_isOpen) _changed(this, null);
        _isOpen = false;
    }
}
