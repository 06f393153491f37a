using Entrepot.Oci;

namespace Entrepot.Pull;

/// <summary>How a fetch ended. Immutable.</summary>
/// <param name="Reference">What was fetched, and from where.</param>
/// <param name="Size">Bytes of the whole; <see langword="null"/> if that did not become known.</param>
/// <param name="Bytes">Bytes that had arrived by then, those of earlier fetches among them.</param>
/// <param name="Error">What went wrong; <see langword="null"/> if nothing did.</param>
public sealed record FetchEnd(Reference Reference, long? Size, long Bytes, RegistryError? Error)
{
    internal const string Stopping = "the cache is being stopped";

    /// <summary>Whether it was the store that went wrong.</summary>
    public bool StoreFailed { get; init; }

    /// <summary>What was thrown, if something was.</summary>
    public Exception? Fault { get; init; }

    /// <summary>Whether it ended because nobody wants more of it now.</summary>
    public bool Rested { get; init; }

    /// <summary>Whether it ended because nobody read on and it is not kept: whoever comes now begins anew.</summary>
    public bool IsDeserted { get; init; }

    /// <summary>Whether it ended because the process does.</summary>
    public bool IsStopped { get; init; }

    /// <summary>Whether what had arrived is kept, and the next fetch goes on with it.</summary>
    public bool IsKept { get; init; }
}
