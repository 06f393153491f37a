using System.Buffers;
using Entrepot.Oci;
using Microsoft.Win32.SafeHandles;

namespace Entrepot.Storage;

/// <summary>Hashes files.</summary>
internal static class FileHash
{
    private const int BufferBytes = 1 << 20;

    /// <summary>What a file is called by its bytes, and how many they are.</summary>
    /// <param name="file">The file.</param>
    /// <param name="digest">A digest of the algorithm that is meant.</param>
    /// <param name="hashed">Told of bytes as they are hashed; must return at once.</param>
    /// <param name="cancel">Ends it.</param>
    public static (Digest Name, long Size) Of(SafeFileHandle file, Digest digest, Action<long> hashed, CancellationToken cancel)
    {
        using var hash = digest.NewHash();
        var buffer = ArrayPool<byte>.Shared.Rent(BufferBytes);
        try
        {
            var size = 0L;
            for (int count; (count = RandomAccess.Read(file, buffer, size)) > 0; size += count)
            {
                cancel.ThrowIfCancellationRequested();
                hash.AppendData(buffer, 0, count);
                hashed(count);
            }

            return (Digest.FromHash(hash.GetHashAndReset()), size);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }
}
