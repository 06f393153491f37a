namespace Entrepot.ClientTests.Kit;

/// <summary>Ports for processes that must keep theirs over a restart.</summary>
internal static class Ports
{
    // The namespace is this run's own, so nobody else listens in it. Below the ephemeral range (32768 on), so that no
    // connection can take a port while its process is down.
    private static int _last = 20_000;

    /// <summary>A port of the loopback-only namespace that was not given out before.</summary>
    public static int Next() => Interlocked.Increment(ref _last);
}
