namespace Entrepot.Pull;

/// <summary>What other caches, between an origin and this one, said of an answer when it was received. An immutable value.</summary>
/// <remarks>
/// It belongs to that answer only. How long a tag stays fresh is counted from when it was received, whatever its age was: an inner cache that serves
/// a tag stale for hours would otherwise be asked for it at every pull. What is served from the store later tells its age in this cache.
/// </remarks>
/// <param name="Status">
/// Their members of <c>Cache-Status</c> (RFC 9211), to which this cache appends its own; <see langword="null"/> if there are none that can be passed on.
/// </param>
/// <param name="Age">How long before the origin had said it (RFC 9111, section 5.1), in whole seconds; <see langword="null"/> if they did not say.</param>
public sealed record Relay(string? Status, TimeSpan? Age);
