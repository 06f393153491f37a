using System.Diagnostics;
using Entrepot.Pull;

namespace Entrepot.Server.Edge;

/// <summary>What <c>Cache-Status</c> says of an answer (RFC 9211). Pure.</summary>
internal static class CacheStatus
{
    /// <summary>The header's value: this cache's member, after those of the caches that the answer came through. For answers with content.</summary>
    public static string Of<T>(Pulled<T> pulled) where T : class
    {
        var own = Member(pulled.Source, pulled.Detail, pulled.Stored);
        // Who joined was not the one whom they answered.
        return pulled is { Source: not PullSource.Joined, Relay.Status: { } before } ? $"{before}, {own}" : own;
    }

    private static string Member(PullSource source, string? detail, bool stored) => source switch
    {
        PullSource.Hit => "Entrepot; hit",
        PullSource.Joined => "Entrepot; fwd=miss; collapsed",
        PullSource.Fetched => stored ? "Entrepot; fwd=miss; stored" : "Entrepot; fwd=miss",
        PullSource.Revalidated => "Entrepot; fwd=stale; fwd-status=200",
        PullSource.Stale => $"Entrepot; fwd=stale; detail={detail}",
        PullSource.Bypass => $"Entrepot; fwd=miss; detail={detail}",
        _ => throw new UnreachableException(),
    };
}
