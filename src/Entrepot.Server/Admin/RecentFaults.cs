using System.Collections.Concurrent;

namespace Entrepot.Server.Admin;

/// <summary>What went wrong a short while ago, for those who ask how things are: the last of each kind. Safe for concurrent use.</summary>
internal sealed class RecentFaults(TimeProvider clock)
{
    /// <summary>How long a fault is told of: longer than anything here is tried again after.</summary>
    public static readonly TimeSpan Memory = TimeSpan.FromMinutes(10);

    private readonly ConcurrentDictionary<string, (DateTimeOffset At, string Message)> _last = new();

    /// <summary>Something has just gone wrong.</summary>
    /// <param name="what">The kind of it, as the beginning of a sentence.</param>
    /// <param name="fault">How.</param>
    public void Add(string what, Exception fault) => _last[what] = (clock.GetUtcNow(), fault.Message);

    /// <summary>A sentence for each kind.</summary>
    public IEnumerable<string> Sentences()
    {
        var now = clock.GetUtcNow();
        foreach (var (what, (at, message)) in _last)
            if (now - at < Memory) yield return $"{what} at {at:yyyy-MM-dd HH:mm:ss}Z: {message}";
    }
}
