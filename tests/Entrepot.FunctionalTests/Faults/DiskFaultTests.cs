using Entrepot.FunctionalTests.Kit;

namespace Entrepot.FunctionalTests.Faults;

/// <summary>Disks that refuse: errors of the system's calls, injected where files are opened, read, written, flushed and named.</summary>
public sealed class DiskFaultTests : StorageFaultTest
{
    [Theory]
    [Fault("the disk is full: ENOSPC to every write", "full", FaultyFiles.NoSpace, "write")]
    [Fault("the disk is full after the first MiB of a layer", "full", FaultyFiles.NoSpace, "late write")]
    [Fault("the file system has become read-only: EROFS to all that writes", "readonly", FaultyFiles.ReadOnly, "open to write, write, flush")]
    [Fault("files may not be opened for writing: EACCES", "permission", FaultyFiles.Access, "open to write")]
    [Fault("files may not be opened at all: EACCES", "permission", FaultyFiles.Access, "open, open to write")]
    [Fault("no descriptor is left for files: EMFILE", "descriptors", FaultyFiles.NoDescriptor, "open, open to write")]
    [Fault("writes fail: EIO", "io", FaultyFiles.Io, "write")]
    [Fault("writes fail after the first MiB of a layer: EIO", "io", FaultyFiles.Io, "late write")]
    [Fault("flushes fail: EIO", "io", FaultyFiles.Io, "flush")]
    [Fault("files cannot be given their names: EIO", "io", FaultyFiles.Io, "rename")]
    [Fault("directories cannot be flushed: EIO", "io", FaultyFiles.Io, "flush of a directory")]
    [Fault("the device fails: EIO to everything", "io", FaultyFiles.Io, "open, open to write, read, write, flush, rename, flush of a directory")]
    [Fault("records cannot be written: EIO", "io", FaultyFiles.Io, "record")]
    public Task Disk_Refuses_PullsGoOn(string fault, string reason, int error, string calls)
    {
        var which = calls.Split(", ");
        var isMet = false;
        return FailAsync(fault, reason, () => Files.Fault = Failing, () => Files.Fault = (_, _, _) => 0);

        // The row is of pulls that meet the fault, not of a probe that may come by before them.
        int Failing(FileCall call, string path, long offset)
        {
            if (!which.Any(name => Matches(name, call, path, offset))) return 0;
            if (!IsProbe(path) && !path.EndsWith("/partial", StringComparison.Ordinal)) Volatile.Write(ref isMet, true);
            return Volatile.Read(ref isMet) ? error : 0;
        }
    }

    [Theory]
    [Fault("files may not be opened for writing when the cache starts: EACCES", "permission", FaultyFiles.Access)]
    [Fault("the disk takes no writes when the cache starts: EIO", "io", FaultyFiles.Io)]
    public Task Disk_RefusesAtTheStart_PullsGoOn(string fault, string reason, int error) => FailAsync(
        fault, reason,
        () => Files.Fault = (call, _, _) => call is FileCall.OpenToWrite or FileCall.Write or FileCall.Flush ? error : 0,
        () => Files.Fault = (_, _, _) => 0,
        atStart: true);

    [Theory]
    [Fault("one layer cannot be read: EIO", 0)]
    [Fault("a layer cannot be read from its second MiB on: EIO", 1 << 20)]
    public Task Blob_CannotBeRead_IsDroppedAndFetchedAgain(string fault, int from)
    {
        // The file that comes in its place is another one, and lies elsewhere on the disk.
        var lost = File.GetCreationTimeUtc(KnownLayer);
        return FailBrieflyAsync(
            fault, "io",
            () => Files.Fault = (call, path, end) =>
                call is FileCall.Read && end >= from && path == KnownLayer && File.Exists(path) && File.GetCreationTimeUtc(path) == lost ? FaultyFiles.Io : 0,
            $"Information: {Known.Layers[0].Digest} was fetched again");
    }

    // So that the state lasts as long as the fault.
    private static bool IsProbe(string path) => path.Contains("/.probe", StringComparison.Ordinal);

    private static bool Matches(string name, FileCall call, string path, long offset) => name switch
    {
        "open" => call is FileCall.Open,
        "open to write" => call is FileCall.OpenToWrite,
        "read" => call is FileCall.Read,
        "write" => call is FileCall.Write,
        "late write" => call is FileCall.Write && (offset >= 1 << 20 || IsProbe(path)),
        "record" => call is FileCall.Write && (path.EndsWith("/records/log", StringComparison.Ordinal) || IsProbe(path)),
        "rename" => call is FileCall.Rename,
        "flush of a directory" => call is FileCall.FlushDirectory,
        _ => call is FileCall.Flush,
    };
}
