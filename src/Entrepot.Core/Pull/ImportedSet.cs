using Entrepot.Oci;

namespace Entrepot.Pull;

/// <summary>An image that is imported. An immutable value.</summary>
/// <param name="Reference">By tag, or by digest where it has no tag.</param>
/// <param name="Digest">Its manifest.</param>
/// <param name="MediaType">That manifest's media type; empty if nobody says it.</param>
public sealed record ImportedImage(Reference Reference, Digest Digest, string MediaType);

/// <summary>Images that are imported together. Immutable.</summary>
/// <param name="Name">The set that they make up from now on.</param>
/// <param name="Images">All of them, each reference once.</param>
/// <param name="Blobs">What they consist of. A child of an index that is not among it was left out on purpose and is not missed.</param>
public sealed record ImportedSet(string Name, IReadOnlyList<ImportedImage> Images, IReadOnlySet<Digest> Blobs);

/// <summary>Blobs that have arrived, verified and durable, and are not visible yet.</summary>
/// <remarks>Called while no pin changes, one call after the other.</remarks>
public sealed record StagedBlobs
{
    /// <summary>Whether one is there.</summary>
    public required Func<Digest, bool> Has { get; init; }

    /// <summary>Reads one that is there.</summary>
    public required Func<Digest, CancellationToken, Task<ReadOnlyMemory<byte>>> ReadAsync { get; init; }

    /// <summary>Adds a small one that was made here.</summary>
    public required Func<ReadOnlyMemory<byte>, Task> AddAsync { get; init; }

    /// <summary>Gives those that are there, in this order, their names in the store.</summary>
    public required Func<IReadOnlyList<Digest>, Task> PlaceAsync { get; init; }
}

/// <summary>What an import has changed.</summary>
/// <param name="Images">Images that the set has now.</param>
/// <param name="Gone">What it had before and has not any more.</param>
/// <param name="Freed">Bytes on disk that this freed.</param>
public sealed record ImportEnd(int Images, IReadOnlyList<Reference> Gone, long Freed);
