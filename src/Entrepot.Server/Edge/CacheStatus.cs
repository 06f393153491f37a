using Entrepot.Pull;

namespace Entrepot.Server.Edge;

/// <summary>What <c>Cache-Status</c> says of an answer (RFC 9211). Pure.</summary>
internal static class CacheStatus
{
    /// <summary>The header's value; <see langword="null"/> where the answer holds no content.</summary>
    public static string? Of(PullSource source, string? detail, bool stored) => source switch
    {
        PullSource.Hit => "Entrepot; hit",
        PullSource.Joined => "Entrepot; fwd=miss; collapsed",
        PullSource.Fetched => stored ? "Entrepot; fwd=miss; stored" : "Entrepot; fwd=miss",
        PullSource.Revalidated => "Entrepot; fwd=stale; fwd-status=200",
        PullSource.Stale => $"Entrepot; fwd=stale; detail={detail}",
        PullSource.Bypass => $"Entrepot; fwd=miss; detail={detail}",
        _ => null,
    };
}
