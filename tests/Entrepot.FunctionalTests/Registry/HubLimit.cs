using System.Globalization;

namespace Entrepot.FunctionalTests.Registry;

/// <summary>Counts as Docker Hub does: GETs of manifests, and nothing else; says so with every manifest, and answers 429 when none is left. Safe for concurrent use.</summary>
/// <param name="limit">Requests that everybody together has.</param>
/// <param name="retryAfter">What the 429 says in seconds; <see langword="null"/> for nothing.</param>
/// <param name="source">Whom it counts them for, as it says.</param>
public sealed class HubLimit(int limit, int? retryAfter = null, string source = "192.0.2.7")
{
    private int _counted;

    /// <summary>Requests counted so far.</summary>
    public int Counted => Volatile.Read(ref _counted);

    /// <summary>For <see cref="TestRegistry.On"/>, of all manifests.</summary>
    public Reply Answer(ReceivedRequest request, Reply right)
    {
        var isTooMuch = request.Method == "GET" && Interlocked.Increment(ref _counted) > limit;
        var reply = isTooMuch ? Reply.Error(429, "TOOMANYREQUESTS") : right;
        if (isTooMuch && retryAfter is { } seconds) reply = reply.With("Retry-After", seconds.ToString(CultureInfo.InvariantCulture));
        return reply
            .With("ratelimit-limit", string.Create(CultureInfo.InvariantCulture, $"{limit};w=21600"))
            .With("ratelimit-remaining", string.Create(CultureInfo.InvariantCulture, $"{Math.Max(0, limit - Counted)};w=21600"))
            .With("docker-ratelimit-source", source);
    }

    /// <summary>The period is over.</summary>
    public void Renew() => Interlocked.Exchange(ref _counted, 0);
}
