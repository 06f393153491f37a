using Entrepot.Pull;

namespace Entrepot.Tests.Kit;

/// <summary>Waits that end a test which would hang, and reads of whole blobs.</summary>
internal static class Waiting
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(20);

    public static Task Soon(this Task task) => task.WaitAsync(Deadline);

    public static Task<T> Soon<T>(this Task<T> task) => task.WaitAsync(Deadline);

    public static Task Soon(this ValueTask task) => task.AsTask().WaitAsync(Deadline);

    public static Task<T> Soon<T>(this ValueTask<T> task) => task.AsTask().WaitAsync(Deadline);

    /// <summary>Reads from an offset on until there is nothing more, or until <paramref name="count"/> bytes are there.</summary>
    public static async Task<byte[]> ReadAsync(this Blob blob, long offset = 0, long? count = null)
    {
        var content = new MemoryStream();
        var buffer = new byte[10_007];   // a size that divides nothing
        while (count is null || content.Length < count)
        {
            var wanted = (int)Math.Min(buffer.Length, (count ?? long.MaxValue) - content.Length);
            var read = await blob.ReadAsync(buffer.AsMemory(0, wanted), offset + content.Length, default).Soon();
            if (read == 0) break;
            content.Write(buffer, 0, read);
        }

        return content.ToArray();
    }

    /// <summary>Bytes that look random and are the same at every run.</summary>
    public static byte[] Bytes(int count, int seed = 1)
    {
        var bytes = new byte[count];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }
}
