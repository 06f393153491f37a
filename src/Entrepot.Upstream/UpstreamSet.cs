namespace Entrepot.Upstream;

/// <summary>The configured upstreams, replaced when the options are read again.</summary>
/// <remarks>
/// Safe for concurrent use. An upstream whose options stay the same stays the same object, so that its tokens, its circuit breakers and its connections go
/// on; one whose options change is made anew. Counters and what requests share belong to a name and outlive both, also while the name is configured no longer: what a scrape has seen
/// never becomes less. Disposal is of the upstreams of the latest options; those before were given up when they were replaced.
/// </remarks>
/// <param name="times">How long they are left alone between two tries.</param>
/// <param name="limits">How much is taken from them.</param>
/// <param name="clock">The time.</param>
public sealed class UpstreamSet(UpstreamTimes times, UpstreamLimits limits, TimeProvider clock) : IDisposable
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, (UpstreamCounters Counters, Allowance Allowance)> _names = [];   // guarded by _gate
    private IReadOnlyList<RegistryUpstream> _now = [];                                                  // guarded by _gate

    /// <summary>Told when an address of an upstream is found dead, or lives again; must return at once.</summary>
    public Action<CircuitChange> CircuitChanged { get; init; } = _ => { };

    /// <summary>The upstreams of the latest options, in their order; a snapshot.</summary>
    public IReadOnlyList<RegistryUpstream> Now
    {
        get { lock (_gate) return _now; }
    }

    /// <summary>What was asked of every upstream that ever was configured; a snapshot.</summary>
    public IReadOnlyList<(string Name, UpstreamCounters Counters)> Counters
    {
        get { lock (_gate) return [.. _names.Select(one => (one.Key, one.Value.Counters))]; }
    }

    /// <summary>Makes the upstreams of these options, as far as they are not here already.</summary>
    /// <param name="options">Each name once.</param>
    /// <returns>What became of those before. The caller gives up <see cref="UpstreamChange.Retired"/> once nobody finds them any more.</returns>
    public UpstreamChange Replace(IEnumerable<UpstreamOptions> options)
    {
        lock (_gate)
        {
            var before = _now.ToDictionary(upstream => upstream.Name);
            _now = [.. options.Select(one => before.TryGetValue(one.Name, out var known) && known.Options == one ? known : MakeLocked(one))];
            var names = _now.Select(upstream => upstream.Name).ToHashSet();
            return new UpstreamChange(
                [.. before.Values.Except(_now)],
                Added: [.. names.Except(before.Keys)],
                Changed: [.. _now.Where(upstream => before.TryGetValue(upstream.Name, out var known) && known != upstream).Select(upstream => upstream.Name)],
                Removed: [.. before.Keys.Except(names)]);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_gate)
        {
            foreach (var upstream in _now) upstream.Dispose();
        }
    }

    private RegistryUpstream MakeLocked(UpstreamOptions options)
    {
        if (_names.TryGetValue(options.Name, out var one)) one.Allowance.Set(options);
        else _names.Add(options.Name, one = (new UpstreamCounters(), new Allowance(options, clock) { CircuitChanged = CircuitChanged }));
        return new RegistryUpstream(options, one.Allowance, times, limits, one.Counters, clock, proxy: null);
    }
}

/// <summary>What a replacement of the upstreams made of them. Immutable; names are in the order of their options.</summary>
/// <param name="Retired">Those that were changed or removed, as they were before.</param>
/// <param name="Added">Names that are new.</param>
/// <param name="Changed">Names whose options are others.</param>
/// <param name="Removed">Names that are gone.</param>
public sealed record UpstreamChange(
    IReadOnlyList<RegistryUpstream> Retired, IReadOnlyList<string> Added, IReadOnlyList<string> Changed, IReadOnlyList<string> Removed)
{
    /// <summary>Whether everything is as it was.</summary>
    public bool IsNone => Retired.Count == 0 && Added.Count == 0;
}
