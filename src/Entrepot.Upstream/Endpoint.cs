using Entrepot.Oci;

namespace Entrepot.Upstream;

/// <summary>One address of an upstream, or that it redirects to: how it wants to be asked, and whether it is found dead. Safe for concurrent use.</summary>
/// <remarks>
/// Its circuit breaker is not Polly's, though tries again are. That one opens by the share of failures in a window: a silent address, each try of which takes ten
/// seconds, fails too seldom for a short window, and a long one is held closed by a single success long ago. Here failures in a row count, however slow they come, unless
/// it answered a moment ago. And a refusal tells how long to wait without an exception, and each change, with why, is one line of the log.
/// </remarks>
internal sealed class Endpoint
{
    // Two whole requests with their tries, or so many at once: a registry that answers 500 for one broken repository is not dead.
    private const int FailuresToOpen = 4;

    // What answered so short a time ago, other requests than those that fail, is not dead either.
    private static readonly TimeSpan Quiet = TimeSpan.FromSeconds(10);

    private readonly Lock _gate = new();
    private readonly TimeProvider _clock;
    private readonly TimeSpan _pause;
    private readonly Action<Endpoint, string?> _changed;
    private volatile bool _isOpen;         // guarded by _gate, as is what follows, but that every hit looks whether it is false
    private bool _wasDead;
    private int _failures;                 // since it last answered
    private DateTimeOffset _answeredAt;
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

        var tried = await ask(cancel);
        Learn(tried, findsOut);
        return tried;
    }

    /// <summary>Whether an address is at this endpoint, so that it may be sent what is for the endpoint only.</summary>
    public bool Holds(Uri address) =>
        Uri.Compare(Address, address, UriComponents.SchemeAndServer, UriFormat.UriEscaped, StringComparison.OrdinalIgnoreCase) == 0;

    /// <summary>The address of something at this endpoint.</summary>
    public Uri At(string path) => new(Address, path);

    private void Learn(Attempt<HttpResponseMessage> tried, bool findsOut)
    {
        lock (_gate)
        {
            var now = _clock.GetUtcNow();
            _wasDead = tried.IsDead;
            if (!tried.IsDead)
            {
                (_failures, _answeredAt) = (0, now);
                if (_isOpen) _changed(this, null);
                _isOpen = false;
                return;
            }

            _failures++;
            if (findsOut) _aloneUntil = now + _pause;
            if (_isOpen || _failures < FailuresToOpen || now - _answeredAt < Quiet) return;

            (_isOpen, _aloneUntil) = (true, now + _pause);
            _changed(this, tried.Error?.Detail ?? "");
        }
    }
}
