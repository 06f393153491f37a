using Microsoft.Win32.SafeHandles;

namespace Entrepot.Storage;

/// <summary>The calls on files that blobs, records and probes of the store are made of: the one place where a disk can be made to fail.</summary>
/// <remarks>Safe for concurrent use. Each may wait for the disk, but for <see cref="TryRead"/>. They fail as the system does: <see cref="IOException"/> with its error number, <see cref="UnauthorizedAccessException"/>.</remarks>
public class FileCalls
{
    /// <summary>Opens a file; the caller disposes it.</summary>
    /// <param name="path">Which.</param>
    /// <param name="mode">Whether it is there.</param>
    /// <param name="access">What for. A file that is written may be read, written and removed by others meanwhile.</param>
    /// <param name="options">How it will be read.</param>
    public virtual SafeFileHandle Open(string path, FileMode mode = FileMode.Open, FileAccess access = FileAccess.Read, FileOptions options = FileOptions.None) =>
        File.OpenHandle(path, mode, access, access == FileAccess.Read ? FileShare.Read : FileShare.ReadWrite | FileShare.Delete, options);

    /// <summary>Reads what is in memory; never waits. Returns as <see cref="PageCache.TryRead"/> does.</summary>
    public virtual int? TryRead(SafeFileHandle file, Span<byte> buffer, long offset) => PageCache.TryRead(file, buffer, offset);

    /// <summary>How much of a range's beginning is in memory, as <see cref="PageCache.Held"/> says it.</summary>
    public virtual int Held(SafeFileHandle file, long offset, int count) => PageCache.Held(file, offset, count);

    /// <summary>Reads; 0 bytes only at the end.</summary>
    public virtual int Read(SafeFileHandle file, Span<byte> buffer, long offset) => RandomAccess.Read(file, buffer, offset);

    /// <summary>Writes all of it.</summary>
    public virtual void Write(SafeFileHandle file, ReadOnlySpan<byte> bytes, long offset) => RandomAccess.Write(file, bytes, offset);

    /// <summary>Writes all of it, on a thread of the pool.</summary>
    public virtual ValueTask WriteAsync(SafeFileHandle file, ReadOnlyMemory<byte> bytes, long offset) =>
        RandomAccess.WriteAsync(file, bytes, offset, CancellationToken.None);

    /// <summary>Makes what was written durable.</summary>
    public virtual void Flush(SafeFileHandle file) => RandomAccess.FlushToDisk(file);

    /// <summary>Gives a file another name on the same file system, which it takes from any other that has it.</summary>
    public virtual void Rename(string from, string to) => File.Move(from, to, overwrite: true);

    /// <summary>Makes the names in a directory durable, as <see cref="Posix.FlushDirectory"/> says it.</summary>
    public virtual void FlushDirectory(string path) => Posix.FlushDirectory(path);
}
