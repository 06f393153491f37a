namespace Entrepot.Upstream;

/// <summary>How the circuit to one address of an upstream, or that it redirects to, stands.</summary>
public enum Circuit
{
    /// <summary>It is asked.</summary>
    Closed,

    /// <summary>It was found dead and is left alone, or one request is finding out whether it lives again: others are refused at once.</summary>
    Open,

    /// <summary>It has been left alone for long enough: the next request finds out.</summary>
    HalfOpen,
}

/// <summary>An address was found dead, or lives again. Immutable.</summary>
/// <param name="Upstream">The upstream's name.</param>
/// <param name="Address">The address.</param>
/// <param name="Why">What the last request to it ended with; <see langword="null"/> if it lives again.</param>
public sealed record CircuitChange(string Upstream, Uri Address, string? Why);
