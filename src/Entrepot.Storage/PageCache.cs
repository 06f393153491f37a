using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Entrepot.Storage;

/// <summary>Asks the system for bytes of files that it has in memory, and never waits for a disk. Safe for concurrent use.</summary>
/// <remarks>Where that cannot be asked (another system than Linux, an old C library, a file system without it) nothing is in memory.</remarks>
internal static partial class PageCache
{
    private const int NoWait = 0x8;        // RWF_NOWAIT
    private const int Sequential = 2;      // POSIX_FADV_SEQUENTIAL
    private const int DontNeed = 4;        // POSIX_FADV_DONTNEED
    private const int Interrupted = 4;     // EINTR
    private const int NoSuchCall = 38;     // ENOSYS
    private const int CacheStat = 451;     // the number of cachestat, which the C library has no name for

    // The system reads ahead by more than that, and evicts by about as much: what lies between two probes is in memory if they are.
    private const int ProbeStep = 128 << 10;

    private static readonly bool IsThere = OperatingSystem.IsLinux() && NativeLibrary.TryLoad("libc", typeof(PageCache).Assembly, null, out var libc)
        && NativeLibrary.TryGetExport(libc, "preadv2", out _);

    private static volatile bool _canCount = IsThere;

    /// <summary>Reads what is in memory.</summary>
    /// <returns>Bytes read, perhaps fewer than there is room for; 0 at the end of the file; <see langword="null"/> if the disk would have to be waited for.</returns>
    public static int? TryRead(SafeFileHandle file, Span<byte> buffer, long offset)
    {
        if (!IsThere) return null;
        ref var first = ref MemoryMarshal.GetReference(buffer);
        while (true)
        {
            var count = ReadNow(file, ref first, buffer.Length, offset);
            if (count >= 0) return (int)count;
            if (Marshal.GetLastPInvokeError() != Interrupted) return null;
        }
    }

    /// <summary>How many bytes from the beginning of a range are in memory, as far as can be told. They may leave at any time.</summary>
    public static int Held(SafeFileHandle file, long offset, int count)
    {
        if (count > ProbeStep && IsCounted(file, offset, count) == true && IsRead(file, offset + count - 1)) return count;
        for (var held = 0; held < count;)
        {
            var step = Math.Min(ProbeStep, count - held);
            if (!IsRead(file, offset + held) || !IsRead(file, offset + held + step - 1) || IsCounted(file, offset + held, step) == false) return held;
            held += step;
        }

        return count;
    }

    /// <summary>Says that a file is read in order, so that the system reads ahead by twice as much.</summary>
    public static void ExpectOrder(SafeFileHandle file)
    {
        if (IsThere) _ = Advise(file, 0, 0, Sequential);   // advice: that it is not taken is no failure
    }

    /// <summary>Says what will not be read again soon, so that it leaves the memory to others. What is written and not yet durable stays.</summary>
    public static void Forget(SafeFileHandle file, long offset, long count)
    {
        if (IsThere) _ = Advise(file, offset, count, DontNeed);
    }

    // Whether the disk need not be waited for. What it is just asked for is counted among the pages of memory before it is there.
    private static bool IsRead(SafeFileHandle file, long offset)
    {
        Span<byte> probe = stackalloc byte[1];
        return TryRead(file, probe, offset) is not null;
    }

    // Whether all pages of a range are in memory: one call, where probes of two megabytes are seventeen. Null where the system (Linux before 6.5) does not tell.
    private static bool? IsCounted(SafeFileHandle file, long offset, int count)
    {
        if (!_canCount) return null;
        var range = new PageRange { Offset = offset, Length = count };
        if (CountPages(CacheStat, file, in range, out var pages, 0) == 0)
            return pages.Cached > ((offset + count - 1) / Environment.SystemPageSize) - (offset / Environment.SystemPageSize);
        if (Marshal.GetLastPInvokeError() == NoSuchCall) _canCount = false;
        return null;
    }

    private static unsafe nint ReadNow(SafeFileHandle file, ref byte first, int length, long offset)
    {
        fixed (byte* start = &first)
        {
            var part = new Part { Start = start, Length = length };
            return ReadVector(file, &part, 1, offset, NoWait);
        }
    }

    [LibraryImport("libc", EntryPoint = "preadv2", SetLastError = true)]
    private static unsafe partial nint ReadVector(SafeFileHandle file, Part* parts, int count, long offset, int flags);

    [LibraryImport("libc", EntryPoint = "posix_fadvise")]
    private static partial int Advise(SafeFileHandle file, long offset, long count, int advice);

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true)]
    private static partial nint CountPages(nint number, SafeFileHandle file, in PageRange range, out PageCounts pages, nint flags);

    // struct cachestat_range
    [StructLayout(LayoutKind.Sequential)]
    private struct PageRange
    {
        public long Offset;
        public long Length;
    }

    // struct cachestat
    [StructLayout(LayoutKind.Sequential)]
    private struct PageCounts
    {
        public long Cached;
        public long Dirty;
        public long BeingWritten;
        public long Evicted;
        public long RecentlyEvicted;
    }

    // struct iovec
    [StructLayout(LayoutKind.Sequential)]
    private unsafe struct Part
    {
        public byte* Start;
        public nint Length;
    }
}
