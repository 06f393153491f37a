using System.Runtime.InteropServices;

namespace Entrepot.Storage;

/// <summary>The calls that .NET does not have. Safe for concurrent use.</summary>
internal static partial class Posix
{
    private const int OpenReadOnlyDirectory = 0x10000 | 0x80000;   // O_DIRECTORY | O_CLOEXEC on Linux

    /// <summary>Makes the names in a directory durable: a rename alone may be forgotten by a crash.</summary>
    /// <exception cref="IOException">The directory cannot be opened or flushed.</exception>
    public static void FlushDirectory(string path)
    {
        var descriptor = Open(path, OpenReadOnlyDirectory);
        if (descriptor < 0) throw Failure("open", path);
        try
        {
            if (Fsync(descriptor) != 0) throw Failure("flush", path);
        }
        finally
        {
            _ = Close(descriptor);
        }
    }

    private static IOException Failure(string what, string path) =>
        new($"cannot {what} the directory '{path}': {Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError())}");

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    private static partial int Fsync(int descriptor);

    [LibraryImport("libc", EntryPoint = "close", SetLastError = true)]
    private static partial int Close(int descriptor);
}
