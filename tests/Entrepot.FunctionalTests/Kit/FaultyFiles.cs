using System.Runtime.CompilerServices;
using Entrepot.Storage;
using Microsoft.Win32.SafeHandles;

namespace Entrepot.FunctionalTests.Kit;

/// <summary>What is done with a file.</summary>
internal enum FileCall
{
    Open,
    OpenToWrite,
    Read,
    Write,
    Flush,
    Rename,
    FlushDirectory,
}

/// <summary>The files of a store, with faults where a test says. Safe for concurrent use.</summary>
internal sealed class FaultyFiles : FileCalls
{
    public const int NoEntry = 2, Io = 5, Access = 13, NoDescriptor = 24, NoSpace = 28, ReadOnly = 30;

    private readonly ConditionalWeakTable<SafeFileHandle, string> _paths = [];

    /// <summary>Asked before each call, with the file's path, the new one of a rename, and where in it; the error that the call fails with, or 0.</summary>
    public Func<FileCall, string, long, int> Fault { get; set; } = (_, _, _) => 0;

    public override SafeFileHandle Open(string path, FileMode mode = FileMode.Open, FileAccess access = FileAccess.Read, FileOptions options = FileOptions.None)
    {
        Fail(access == FileAccess.Read ? FileCall.Open : FileCall.OpenToWrite, path, 0);
        var file = base.Open(path, mode, access, options);
        _paths.Add(file, path);
        return file;
    }

    // What would fail is not in memory.
    public override int? TryRead(SafeFileHandle file, Span<byte> buffer, long offset) => Error(FileCall.Read, file, offset + buffer.Length - 1) == 0 ? base.TryRead(file, buffer, offset) : null;

    public override int Held(SafeFileHandle file, long offset, int count) => Error(FileCall.Read, file, offset + count - 1) == 0 ? base.Held(file, offset, count) : 0;

    public override int Read(SafeFileHandle file, Span<byte> buffer, long offset)
    {
        Fail(FileCall.Read, file, offset + buffer.Length - 1);
        return base.Read(file, buffer, offset);
    }

    public override void Write(SafeFileHandle file, ReadOnlySpan<byte> bytes, long offset)
    {
        Fail(FileCall.Write, file, offset);
        base.Write(file, bytes, offset);
    }

    public override ValueTask WriteAsync(SafeFileHandle file, ReadOnlyMemory<byte> bytes, long offset)
    {
        Fail(FileCall.Write, file, offset);
        return base.WriteAsync(file, bytes, offset);
    }

    public override void Flush(SafeFileHandle file)
    {
        Fail(FileCall.Flush, file, 0);
        base.Flush(file);
    }

    public override void Rename(string from, string to)
    {
        Fail(FileCall.Rename, to, 0);
        base.Rename(from, to);
    }

    public override void FlushDirectory(string path)
    {
        Fail(FileCall.FlushDirectory, path, 0);
        base.FlushDirectory(path);
    }

    private int Error(FileCall call, SafeFileHandle file, long offset) => Fault(call, _paths.TryGetValue(file, out var path) ? path : "", offset);

    private void Fail(FileCall call, SafeFileHandle file, long offset) => Fail(call, _paths.TryGetValue(file, out var path) ? path : "", offset);

    private void Fail(FileCall call, string path, long offset)
    {
        switch (Fault(call, path, offset))
        {
            case 0: return;
            case Access: throw new UnauthorizedAccessException($"scripted: no access to '{path}'");
            case var error: throw new IOException($"scripted: error {error} of '{path}'", error);
        }
    }
}
