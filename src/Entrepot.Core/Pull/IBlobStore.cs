using Entrepot.Oci;

namespace Entrepot.Pull;

/// <summary>Bytes at rest, named by their digest.</summary>
/// <remarks>
/// Safe for concurrent use. A blob that opens is whole, was verified when it was committed (or again before it is opened, if
/// nothing remembers that), and never changes. Absence is an answer; an <see cref="IOException"/> means that the disk failed.
/// </remarks>
public interface IBlobStore
{
    /// <summary>Opens a blob; the caller disposes it. It stays readable after its removal.</summary>
    /// <returns><see langword="null"/> if there is no such blob, or if what had its name was false and has been removed.</returns>
    ValueTask<Blob?> OpenAsync(Digest digest, CancellationToken cancel);

    /// <summary>Whether a blob of this name is there. It may still turn out to be false when it is opened. Cheap.</summary>
    bool Contains(Digest digest);

    /// <summary>Marks a blob as just used: it leaves later than those that are not. Unknown ones are ignored. Cheap.</summary>
    void Touch(Digest digest, DateTimeOffset now);

    /// <summary>From now on a blob never leaves to make room, also if it is stored only later. Not counted: once is as good as twice. Cheap.</summary>
    /// <returns>Whether it is stored now, and so stays.</returns>
    bool Pin(Digest digest);

    /// <summary>From now on a blob may leave, as one that was just used. Cheap.</summary>
    void Unpin(Digest digest);

    /// <summary>Bytes that are missing if so many are to be pinned in all; 0 if there is room for them. Cheap.</summary>
    /// <param name="bytes">Bytes on disk.</param>
    long ShortOf(long bytes);

    /// <summary>Removes a blob, unless it is pinned or was used after <paramref name="unusedSince"/>. Who has it open goes on reading.</summary>
    /// <returns>Bytes on disk that this freed; 0 if it is not there or stays.</returns>
    /// <exception cref="IOException">The disk refuses.</exception>
    long Remove(Digest digest, DateTimeOffset unusedSince);

    /// <summary>Hashes a stored blob again; one that is not what its name says is removed.</summary>
    /// <param name="digest">The blob.</param>
    /// <param name="hashed">Told of bytes as they are hashed; the next are read when it completes.</param>
    /// <param name="cancel">Ends it early.</param>
    /// <returns>Whether it is right; <see langword="null"/> if it is not there, or not any more.</returns>
    /// <exception cref="IOException">It cannot be read, and stays.</exception>
    Task<bool?> VerifyAsync(Digest digest, Func<int, ValueTask> hashed, CancellationToken cancel);

    /// <summary>Removes a blob that the disk does not give any more, as one that is false: the next pull fetches it.</summary>
    /// <returns>Whether it was there.</returns>
    /// <exception cref="IOException">The disk refuses.</exception>
    bool Drop(Digest digest);

    /// <summary>Begins a blob, or goes on with what was left of it. Nobody can open it in the store before it is committed.</summary>
    /// <param name="digest">The blob.</param>
    /// <param name="fill">Whether all of it is to come. What rests of one of which only parts are wanted stays until its room is needed.</param>
    /// <param name="cancel">Ends it.</param>
    /// <exception cref="IOException">The disk refuses.</exception>
    ValueTask<IPartialBlob> CreateAsync(Digest digest, FillMode fill, CancellationToken cancel);
}

/// <summary>A blob being written, in any order: several writers, any number of readers. Disposal without commit or rest discards it.</summary>
/// <remarks>
/// <see cref="WriteAsync"/>, <see cref="ReserveAsync"/> and <see cref="OpenReader"/> are safe beside each other, where no two write the same bytes. The others are called by one
/// owner, one after the other, and not beside a write. Its readers outlive it.
/// </remarks>
public interface IPartialBlob : IAsyncDisposable
{
    /// <summary>What was there when it was begun; <see langword="null"/> if nothing was.</summary>
    PartialState? Left { get; }

    /// <summary>Which bytes have been written; a copy.</summary>
    Extents Written();

    /// <summary>Says what is needed to go on with it later.</summary>
    /// <param name="size">Bytes of the whole.</param>
    /// <param name="validator">What the bytes came with; <see langword="null"/> if nothing.</param>
    void Describe(long size, string? validator);

    /// <summary>Sets room aside for <paramref name="size"/> bytes in all, before they are written (invariant 4).</summary>
    /// <remarks>Others may have to leave for it, and have left when this completes. Without it, or past it, room is set aside as the blob grows.</remarks>
    /// <returns><see langword="false"/>, with nothing changed and nobody evicted, if it cannot fit.</returns>
    ValueTask<bool> ReserveAsync(long size, CancellationToken cancel);

    /// <summary>Writes bytes where none have been written; when it completes, readers can read them.</summary>
    /// <exception cref="IOException">The disk refuses, or there is no room.</exception>
    /// <exception cref="UnannouncedException">Nobody has said the size, and it takes more than all blobs of that kind together may.</exception>
    ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, long offset, CancellationToken cancel);

    /// <summary>Opens a reader, which may be asked only for bytes that have been written; the caller disposes it.</summary>
    /// <param name="size">The whole blob's size, which the reader announces.</param>
    Blob OpenReader(long size);

    /// <summary>Whether everything written is there without gaps and is what the digest names. Writing ends with it.</summary>
    ValueTask<bool> VerifyAsync(CancellationToken cancel);

    /// <summary>Makes the blob durable, then visible under its name.</summary>
    /// <exception cref="InvalidOperationException"><see cref="VerifyAsync"/> has not said yes.</exception>
    ValueTask CommitAsync(CancellationToken cancel);

    /// <summary>Keeps what has been written for whoever begins this blob next. Only disposal may follow.</summary>
    /// <returns>Whether it is kept. What cannot be is discarded: it is worth no more than being fetched again.</returns>
    ValueTask<bool> RestAsync(CancellationToken cancel);
}

/// <summary>What was left of a blob. An immutable value; the extents are their owner's.</summary>
/// <param name="Size">Bytes of the whole.</param>
/// <param name="Validator">What the bytes came with; <see langword="null"/> if nothing.</param>
/// <param name="Written">Which bytes there are.</param>
public sealed record PartialState(long Size, string? Validator, Extents Written);
