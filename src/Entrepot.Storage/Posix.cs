using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Entrepot.Storage;

/// <summary>The calls that .NET does not have. Safe for concurrent use.</summary>
public static partial class Posix
{
    private const uint BeginWrite = 2;                             // SYNC_FILE_RANGE_WRITE
    private const int OpenReadOnlyDirectory = 0x10000 | 0x80000;   // O_DIRECTORY | O_CLOEXEC on Linux

    private const int GetFlags = 3;                                // F_GETFL
    private const int SetFlags = 4;                                // F_SETFL

    // O_DIRECT
    private static readonly int Direct = RuntimeInformation.ProcessArchitecture switch { Architecture.X64 => 0x4000, Architecture.Arm64 => 0x10000, _ => 0 };

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

    /// <summary>Has what is written to a file from now on go past the page cache, or through it again. Past it, memory, offsets and lengths have to be multiples of a block's size.</summary>
    /// <returns>Whether it does; it does not where the file system or the program cannot.</returns>
    public static bool TryWriteDirectly(SafeFileHandle file, bool directly)
    {
        if (!OperatingSystem.IsLinux() || Direct == 0) return false;
        var flags = Control(file, GetFlags, 0);
        return flags >= 0 && Control(file, SetFlags, directly ? flags | Direct : flags & ~Direct) == 0;
    }

    private static IOException Failure(string what, string path) =>
        new($"cannot {what} the directory '{path}': {Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError())}", Marshal.GetLastPInvokeError());

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    private static partial int Fsync(int descriptor);

    [LibraryImport("libc", EntryPoint = "sync_file_range")]
    private static partial int SyncRange(SafeFileHandle file, long offset, long count, uint flags);

    [LibraryImport("libc", EntryPoint = "fcntl")]
    private static partial int Control(SafeFileHandle file, int command, int argument);

    [LibraryImport("libc", EntryPoint = "close", SetLastError = true)]
    private static partial int Close(int descriptor);
}
