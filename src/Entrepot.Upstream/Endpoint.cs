using Entrepot.Oci;
using Polly;
using Polly.CircuitBreaker;

namespace Entrepot.Upstream;

/// <summary>One address of an upstream: how it wants to be asked, and whether it is found dead. Safe for concurrent use.</summary>
internal sealed class Endpoint
{
    // Two whole requests with their tries, or so many at once: a registry that answers 500 for one broken repository is not dead.
    private const int FailuresToOpen = 4;

    // Without one good answer: longer than two silent tries of one client, one after the other, take.
    private static readonly TimeSpan Window = TimeSpan.FromSeconds(45);

    private readonly CircuitBreakerStateProvider _state = new();
    private readonly ResiliencePipeline<Attempt<HttpResponseMessage>> _breaker;
    private readonly TimeProvider _clock;
    private readonly TimeSpan _pause;
    private long _aloneUntil;    // UTC ticks
    private volatile bool _wasDead;

    /// <param name="address">Scheme, host and port.</param>
    /// <param name="pause">How long it is left alone.</param>
    /// <param name="clock">The time.</param>
    /// <param name="changed">Told, with why, when it is found dead, and, with <see langword="null"/>, when it lives again; must return at once.</param>
    public Endpoint(Uri address, TimeSpan pause, TimeProvider clock, Action<Endpoint, string?> changed)
    {
        var isTold = false;   // the breaker calls one at a time
        (Address, Name, _pause, _clock) = (address, address.GetLeftPart(UriPartial.Authority), pause, clock);
        _breaker = new ResiliencePipelineBuilder<Attempt<HttpResponseMessage>> { TimeProvider = clock }
            .AddCircuitBreaker(new CircuitBreakerStrategyOptions<Attempt<HttpResponseMessage>>
            {
                FailureRatio = 1.0,
                MinimumThroughput = FailuresToOpen,
                SamplingDuration = Window,
                BreakDuration = pause,
                StateProvider = _state,
                ShouldHandle = static tried => ValueTask.FromResult(tried.Outcome.Result.IsDead),
                OnOpened = opened =>
                {
                    LeaveAlone();

                    // Whoever is found dead once more by the request that finds out is not worth a word.
                    if (!isTold) changed(this, opened.Outcome.Result.Error?.Detail ?? "");
                    isTold = true;
                    return default;
                },
                OnClosed = _ =>
                {
                    isTold = false;
                    changed(this, null);
                    return default;
                },
            })
            .Build();
    }

    /// <summary>Scheme, host and port.</summary>
    public Uri Address { get; }

    /// <summary>The same, as text.</summary>
    public string Name { get; }

    /// <summary>What it last asked for, so that the next repository gets its token without a refusal first; <see langword="null"/> at first.</summary>
    public Challenge? Challenge { get; set; }

    /// <summary>Whether it would be refused to ask it now: it is left alone, or one request is finding out whether it lives again.</summary>
    public bool IsDown =>
        _state.CircuitState != CircuitState.Closed && _clock.GetUtcNow().UtcTicks < Interlocked.Read(ref _aloneUntil);

    /// <summary>How its circuit stands.</summary>
    public Circuit Circuit => _state.CircuitState == CircuitState.Closed ? Circuit.Closed : IsDown ? Circuit.Open : Circuit.HalfOpen;

    /// <summary>Whether it gave no sign of life when it was last really asked, however long ago that is.</summary>
    public bool WasDead => _wasDead;

    /// <summary>Asks, unless the endpoint is found dead; then it is refused at once, with the time after which asking makes sense.</summary>
    public async ValueTask<Attempt<HttpResponseMessage>> TryAsync(
        Func<CancellationToken, ValueTask<Attempt<HttpResponseMessage>>> ask, string refusal, CancellationToken cancel)
    {
        try
        {
            var tried = await _breaker.ExecuteAsync(
                bounded =>
                {
                    // This one finds out for all; until it has, or for one more pause, they are refused.
                    if (_state.CircuitState == CircuitState.HalfOpen) LeaveAlone();
                    return ask(bounded);
                }, cancel);
            _wasDead = tried.IsDead;
            return tried;
        }
        catch (BrokenCircuitException e)
        {
            return Attempt<HttpResponseMessage>.Refused(RegistryError.Down(refusal, e.RetryAfter));
        }
    }

    /// <summary>Whether an address is at this endpoint, so that it may be sent what is for the endpoint only.</summary>
    public bool Holds(Uri address) =>
        Uri.Compare(Address, address, UriComponents.SchemeAndServer, UriFormat.UriEscaped, StringComparison.OrdinalIgnoreCase) == 0;

    /// <summary>The address of something at this endpoint.</summary>
    public Uri At(string path) => new(Address, path);

    private void LeaveAlone() => Interlocked.Exchange(ref _aloneUntil, (_clock.GetUtcNow() + _pause).UtcTicks);
}
