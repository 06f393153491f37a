using System.Collections.Concurrent;

namespace Entrepot.Storage.Index;

/// <summary>Media types by number, so that a row has a fixed size. Safe for concurrent use; looking up waits for nobody.</summary>
/// <remarks>Numbers begin at 1 and are never taken back: there are a handful of media types, and each has been the type of a stored
/// manifest. An upstream that makes up more of them than <see cref="Most"/> has its manifests asked for again, since their types are not remembered.</remarks>
internal sealed class MediaTypeNames
{
    /// <summary>Most names: all that are registered anywhere are fewer, and all of the longest kind take 250 KB.</summary>
    public const int Most = 1000;

    private readonly Lock _gate = new();
    private readonly ConcurrentDictionary<string, int> _numbers = new();
    private volatile string[] _names = [];   // replaced as a whole, under _gate

    /// <summary>All names; the first has number 1.</summary>
    public IReadOnlyList<string> Names => _names;

    /// <summary>The name of a number; <see langword="null"/> for 0.</summary>
    public string? this[long number] => number == 0 ? null : _names[(int)number - 1];

    /// <summary>The number of a name, which it is given if it has none; 0 if there are too many.</summary>
    public int Number(string name)
    {
        if (_numbers.TryGetValue(name, out var known)) return known;
        lock (_gate)
        {
            if (_numbers.TryGetValue(name, out known)) return known;
            if (_names.Length == Most) return 0;
            _names = [.. _names, name];
            return _numbers[name] = _names.Length;
        }
    }
}
