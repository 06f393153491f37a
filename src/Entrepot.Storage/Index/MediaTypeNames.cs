using System.Collections.Concurrent;

namespace Entrepot.Storage.Index;

/// <summary>Media types by number, so that a row has a fixed size. Safe for concurrent use; looking up waits for nobody.</summary>
/// <remarks>Numbers begin at 1 and are never taken back: there are a handful of media types, and each has been the type of a stored manifest.</remarks>
internal sealed class MediaTypeNames
{
    private readonly Lock _gate = new();
    private readonly ConcurrentDictionary<string, int> _numbers = new();
    private volatile string[] _names = [];   // replaced as a whole, under _gate

    /// <summary>All names; the first has number 1.</summary>
    public IReadOnlyList<string> Names => _names;

    /// <summary>The name of a number; <see langword="null"/> for 0.</summary>
    public string? this[long number] => number == 0 ? null : _names[(int)number - 1];

    /// <summary>The number of a name, which it is given if it has none.</summary>
    public int Number(string name)
    {
        if (_numbers.TryGetValue(name, out var known)) return known;
        lock (_gate)
        {
            if (_numbers.TryGetValue(name, out known)) return known;
            _names = [.. _names, name];
            return _numbers[name] = _names.Length;
        }
    }
}
