using Entrepot.Oci;

namespace Entrepot.Pull;

/// <summary>What came of joining a fetch.</summary>
/// <param name="Kind">Which of the others is there.</param>
/// <param name="Blob">The blob to read; the caller disposes it.</param>
/// <param name="Error">Why there is none.</param>
/// <param name="IsThere">Whether all that is wanted had arrived before.</param>
public readonly record struct FollowResult(FollowKind Kind, FollowedBlob? Blob = null, RegistryError? Error = null, bool IsThere = false);

/// <summary>How joining a fetch can end.</summary>
public enum FollowKind
{
    /// <summary>There are bytes to follow.</summary>
    Following,

    /// <summary>The fetch has ended; the blob is to be looked up in the store again.</summary>
    Stored,

    /// <summary>The fetch has ended without all of it; another one goes on with what is there.</summary>
    Rested,

    /// <summary>The upstream did not give it.</summary>
    Failed,

    /// <summary>The store did not take it; the upstream may well give it.</summary>
    StoreFailed,
}

/// <summary>The quota, or the file system, has no room: an answer, and nothing that is broken.</summary>
public sealed class NoRoomException(string message) : IOException(message);

/// <summary>A blob whose size nobody tells has become larger than such blobs may be: its upstream's fault, not the store's.</summary>
public sealed class UnannouncedException(string message) : Exception(message);

/// <summary>A fetch failed after it had begun to give bytes: what was given must not be completed cleanly.</summary>
public sealed class FetchFailedException : IOException
{
    /// <summary>A failure for this reason.</summary>
    public FetchFailedException(RegistryError error, bool isStoreFault = false) : base(error.Detail ?? error.Message) => (Error, IsStoreFault) = (error, isStoreFault);

    /// <summary>Why; it is too late to tell the client.</summary>
    public RegistryError Error { get; }

    /// <summary>Whether it was the store that failed: the upstream may well give the rest.</summary>
    public bool IsStoreFault { get; }
}
