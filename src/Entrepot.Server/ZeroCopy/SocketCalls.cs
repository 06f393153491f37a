using System.Net.Sockets;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Entrepot.Server.ZeroCopy;

/// <summary>The calls of Linux that output is made of. None of them waits, blocks on a socket that does not, or throws.</summary>
/// <remarks>
/// Safe for concurrent use. Handles are taken as such, never as numbers: each is held for the time of a call, so that a socket that is closed beside it, as an
/// abort does, cannot have become another file by then. A closed one is <see cref="Closed"/>.
/// </remarks>
internal partial class SocketCalls
{
    /// <summary>The call was interrupted before it did anything: EINTR.</summary>
    public const int Interrupted = -4;

    /// <summary>The device failed: EIO.</summary>
    public const int DeviceFailed = -5;

    /// <summary>The handle is closed: EBADF.</summary>
    public const int Closed = -9;

    /// <summary>It would have to wait: EAGAIN.</summary>
    public const int WouldBlock = -11;

    /// <summary>These two files cannot be joined: EINVAL.</summary>
    public const int Refused = -22;

    private const int SendFlags = 0x40 | 0x4000;      // MSG_DONTWAIT | MSG_NOSIGNAL
    private const int MoreFollows = 0x8000;           // MSG_MORE
    private const int NoMoreSends = 1;                // SHUT_WR
    private const int TcpLevel = 6;                   // IPPROTO_TCP
    private const int CorkOption = 3;                 // TCP_CORK
    private const uint UnacknowledgedBytes = 0x5411;  // SIOCOUTQ

    /// <summary>Whether files of this kind cannot be sent: EINVAL, ENOSYS, EOPNOTSUPP.</summary>
    public static bool IsRefusal(int error) => -error is -Refused or 38 or 95;

    /// <summary>Whether it was the socket that failed: EPIPE, ECONNRESET, ENOTCONN, ETIMEDOUT, EHOSTUNREACH and the like, or it is closed.</summary>
    public static bool IsEndOfSocket(int error) => -error is -Closed or 32 or (>= 100 and <= 113);

    /// <summary>Sends bytes.</summary>
    /// <param name="socket">Where to.</param>
    /// <param name="bytes">The bytes; not empty.</param>
    /// <param name="more">Whether more comes at once, so that these may wait for it.</param>
    /// <returns>Bytes that were taken, or an error number below zero.</returns>
    public virtual int Send(SafeSocketHandle socket, ReadOnlySpan<byte> bytes, bool more)
    {
        try
        {
            var count = Send(socket, in MemoryMarshal.GetReference(bytes), bytes.Length, more ? SendFlags | MoreFollows : SendFlags);
            return count >= 0 ? (int)count : -Marshal.GetLastPInvokeError();
        }
        catch (ObjectDisposedException)
        {
            return Closed;
        }
    }

    /// <summary>Sends a range of a file.</summary>
    /// <param name="socket">Where to; it does not block.</param>
    /// <param name="file">Where from.</param>
    /// <param name="offset">The first byte.</param>
    /// <param name="count">Bytes; more than none.</param>
    /// <returns>Bytes that were taken, 0 if the file ends there, or an error number below zero.</returns>
    public virtual int SendFile(SafeSocketHandle socket, SafeFileHandle file, long offset, int count)
    {
        try
        {
            var sent = SendFile(socket, file, ref offset, count);
            return sent >= 0 ? (int)sent : -Marshal.GetLastPInvokeError();
        }
        catch (ObjectDisposedException)
        {
            return Closed;
        }
    }

    /// <summary>Bytes that were taken and that the other side has not acknowledged; 0 if that cannot be said.</summary>
    public virtual int Unacknowledged(SafeSocketHandle socket)
    {
        try
        {
            return Control(socket, UnacknowledgedBytes, out var bytes) == 0 ? bytes : 0;
        }
        catch (ObjectDisposedException)
        {
            return 0;
        }
    }

    /// <summary>Has the system send full segments alone, or, again, all that it has been given.</summary>
    public virtual void Cork(SafeSocketHandle socket, bool isOn)
    {
        try
        {
            var value = isOn ? 1 : 0;
            _ = SetOption(socket, TcpLevel, CorkOption, in value, sizeof(int));
        }
        catch (ObjectDisposedException)
        {
            // Nothing is sent any more.
        }
    }

    /// <summary>Ends what is sent: FIN, behind all that was taken before. Does nothing to a socket that is closed or not connected any more.</summary>
    public virtual void End(SafeSocketHandle socket)
    {
        try
        {
            _ = Shutdown(socket, NoMoreSends);
        }
        catch (ObjectDisposedException)
        {
            // It has ended.
        }
    }

    [LibraryImport("libc", EntryPoint = "send", SetLastError = true)]
    private static partial nint Send(SafeSocketHandle socket, in byte first, nint length, int flags);

    [LibraryImport("libc", EntryPoint = "sendfile", SetLastError = true)]
    private static partial nint SendFile(SafeSocketHandle socket, SafeFileHandle file, ref long offset, nint count);

    [LibraryImport("libc", EntryPoint = "ioctl", SetLastError = true)]
    private static partial int Control(SafeSocketHandle socket, nuint request, out int value);

    [LibraryImport("libc", EntryPoint = "setsockopt")]
    private static partial int SetOption(SafeSocketHandle socket, int level, int name, in int value, int length);

    [LibraryImport("libc", EntryPoint = "shutdown")]
    private static partial int Shutdown(SafeSocketHandle socket, int how);
}
