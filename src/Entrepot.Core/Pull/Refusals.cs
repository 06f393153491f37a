using Entrepot.Oci;

namespace Entrepot.Pull;

/// <summary>An upstream's no.</summary>
/// <param name="Error">In its words.</param>
/// <param name="At">When it said so.</param>
public sealed record Refusal(RegistryError Error, DateTimeOffset At);

/// <summary>What upstreams last said no to. In memory only: after a start they are asked again. Safe for concurrent use.</summary>
internal sealed class Refusals
{
    /// <summary>Most that are remembered: some 3 MB, and more than anybody asks for in vain within a few seconds.</summary>
    public const int Limit = 10_000;

    private readonly Lock _gate = new();
    private readonly Dictionary<Reference, Refusal> _last = [];   // guarded by _gate

    /// <summary>How many are remembered.</summary>
    public int Count { get { lock (_gate) return _last.Count; } }

    /// <summary>What the upstream last said no with; <see langword="null"/> if it did not, or if that was forgotten.</summary>
    public Refusal? Find(Reference reference)
    {
        lock (_gate) return _last.GetValueOrDefault(reference);
    }

    /// <summary>Remembers a no in place of what was said before.</summary>
    public void Add(Reference reference, Refusal refusal)
    {
        lock (_gate)
        {
            // Forgetting costs one question for each, which is cheaper than keeping them in order.
            if (_last.Count == Limit && !_last.ContainsKey(reference)) _last.Clear();
            _last[reference] = refusal;
        }
    }

    /// <summary>Nothing of it holds any longer.</summary>
    public void Clear()
    {
        lock (_gate) _last.Clear();
    }

    /// <summary>The upstream says something else by now.</summary>
    public void Remove(Reference reference)
    {
        lock (_gate) _last.Remove(reference);
    }
}
