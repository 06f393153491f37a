using System.Buffers;
using Entrepot.Oci;
using Microsoft.Win32.SafeHandles;

namespace Entrepot.Storage;

/// <summary>What bytes of a file are named. Takes one read and one processor at a time; safe for concurrent use.</summary>
internal static class FileHash
{
    private const int BufferBytes = 1 << 20;

    /// <summary>The digest of a file, by the algorithm of another one, and its size in bytes.</summary>
    /// <exception cref="IOException">The disk failed.</exception>
    public static (Digest Name, long Size) Of(FileCalls files, SafeFileHandle file, Digest like, CancellationToken cancel)
    {
        using var hash = like.NewHash();
        var buffer = ArrayPool<byte>.Shared.Rent(BufferBytes);
        try
        {
            var size = 0L;
            for (int count; (count = files.Read(file, buffer, size)) > 0; size += count)
            {
                cancel.ThrowIfCancellationRequested();
                hash.AppendData(buffer, 0, count);
            }

            return (Digest.FromHash(hash.GetHashAndReset()), size);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <summary>As <see cref="Of"/>, at its caller's pace; what was not in memory before is not left there, so that what is often served stays.</summary>
    /// <param name="files">What reads are made of.</param>
    /// <param name="file">The file; opened so that the system reads nothing ahead.</param>
    /// <param name="like">Whose algorithm it is.</param>
    /// <param name="hashed">Told of bytes as they are hashed; the next are read when it completes.</param>
    /// <param name="cancel">Ends it early.</param>
    /// <exception cref="IOException">The disk failed.</exception>
    public static async Task<(Digest Name, long Size)> OfAsync(
        FileCalls files, SafeFileHandle file, Digest like, Func<int, ValueTask> hashed, CancellationToken cancel)
    {
        using var hash = like.NewHash();
        var buffer = ArrayPool<byte>.Shared.Rent(BufferBytes);
        try
        {
            for (var size = 0L; ;)
            {
                cancel.ThrowIfCancellationRequested();
                var wasHeld = files.Held(file, size, BufferBytes) == BufferBytes;
                var count = files.Read(file, buffer.AsSpan(0, BufferBytes), size);
                if (count == 0) return (Digest.FromHash(hash.GetHashAndReset()), size);
                hash.AppendData(buffer, 0, count);
                if (!wasHeld) PageCache.Forget(file, size, count);
                size += count;
                await hashed(count);
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }
}
