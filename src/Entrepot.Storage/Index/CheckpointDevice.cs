using FASTER.core;
using Microsoft.Win32.SafeHandles;

namespace Entrepot.Storage.Index;

/// <summary>One file of a checkpoint, written and read on the thread pool.</summary>
/// <remarks>
/// It never fails towards FASTER, whose checkpoint would stay half done for the rest of the process: the fault is kept instead, and a
/// checkpoint with a fault is not sealed. What cannot be read is zero.
/// </remarks>
internal sealed class CheckpointDevice : StorageDeviceBase
{
    private const uint SectorBytes = 512;

    private readonly Action<Exception> _failed;
    private readonly SafeFileHandle? _file;

    /// <summary>Opens a file, made if it is not there.</summary>
    /// <param name="path">The file.</param>
    /// <param name="failed">Told of each fault, on any thread.</param>
    public CheckpointDevice(string path, Action<Exception> failed) : base(path, SectorBytes, Devices.CAPACITY_UNSPECIFIED)
    {
        _failed = failed;
        try
        {
            _file = Open(path);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            failed(fault);
        }
    }

    // One that is there is read; where it may not be written that is enough.
    private static SafeFileHandle Open(string path)
    {
        try
        {
            return File.OpenHandle(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException && File.Exists(path))
        {
            return File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        }
    }

    public override unsafe void WriteAsync(
        IntPtr sourceAddress, int segmentId, ulong destinationAddress, uint numBytesToWrite, DeviceIOCompletionCallback callback, object context) =>
        ThreadPool.UnsafeQueueUserWorkItem(
            _ =>
            {
                try
                {
                    if (_file is not null) RandomAccess.Write(_file, new ReadOnlySpan<byte>((void*)sourceAddress, (int)numBytesToWrite), At(segmentId, destinationAddress));
                }
                catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
                {
                    _failed(fault);
                }

                callback(0, numBytesToWrite, context);
            },
            null);

    public override unsafe void ReadAsync(
        int segmentId, ulong sourceAddress, IntPtr destinationAddress, uint readLength, DeviceIOCompletionCallback callback, object context) =>
        ThreadPool.UnsafeQueueUserWorkItem(
            _ =>
            {
                var rest = new Span<byte>((void*)destinationAddress, (int)readLength);
                try
                {
                    var at = At(segmentId, sourceAddress);
                    for (int count; _file is not null && rest.Length > 0 && (count = RandomAccess.Read(_file, rest, at)) > 0; at += count) rest = rest[count..];
                }
                catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
                {
                    _failed(fault);
                }

                rest.Clear();
                callback(0, readLength, context);
            },
            null);

    /// <summary>Segments are not used: a checkpoint is one file.</summary>
    public override void RemoveSegment(int segment) { }

    public override void RemoveSegmentAsync(int segment, AsyncCallback callback, IAsyncResult result) => callback(result);

    public override void Dispose() => _file?.Dispose();

    private long At(int segmentId, ulong address) => (segmentSize > 0 ? segmentId * segmentSize : 0) + (long)address;
}
