using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Entrepot.Storage;

/// <summary>The calls that .NET does not have. Safe for concurrent use.</summary>
internal static partial class Posix
{
    private const int ThisThread = 0;                              // PRIO_PROCESS, which is one thread on Linux
    private const int LowPriority = 10;                            // a tenth of the weight
    private const uint BeginWrite = 2;                             // SYNC_FILE_RANGE_WRITE
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

    /// <summary>Has the disk begin to write what a file has in memory, where that can be asked for. Flushes nothing, and tells no failure: the flush that follows does.</summary>
    public static void BeginWriting(SafeFileHandle file)
    {
        if (OperatingSystem.IsLinux()) _ = SyncRange(file, 0, 0, BeginWrite);
    }

    /// <summary>From here on the calling thread gets a processor when others have no use for it, or a small share beside them. Does nothing where a thread has no priority of its own.</summary>
    public static void StepBack()
    {
        if (OperatingSystem.IsLinux()) _ = SetPriority(ThisThread, 0, LowPriority);
    }

    private static IOException Failure(string what, string path) =>
        new($"cannot {what} the directory '{path}': {Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError())}");

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    private static partial int Fsync(int descriptor);

    [LibraryImport("libc", EntryPoint = "sync_file_range")]
    private static partial int SyncRange(SafeFileHandle file, long offset, long count, uint flags);

    [LibraryImport("libc", EntryPoint = "setpriority")]
    private static partial int SetPriority(int which, uint who, int priority);

    [LibraryImport("libc", EntryPoint = "close", SetLastError = true)]
    private static partial int Close(int descriptor);
}
