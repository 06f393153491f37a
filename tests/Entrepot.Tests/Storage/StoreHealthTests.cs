using Entrepot.Oci;
using Entrepot.Pull;
using Entrepot.Storage;
using Microsoft.Extensions.Time.Testing;
using Microsoft.Win32.SafeHandles;

namespace Entrepot.Tests.Storage;

/// <summary>When a store is taken to fail, for what, and when it is well again.</summary>
public sealed class StoreHealthTests : IDisposable
{
    private readonly string _path = Directory.CreateTempSubdirectory("entrepot-health-").FullName;
    private readonly FakeTimeProvider _clock = new(new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.Zero));
    private readonly Broken _files = new();
    private readonly StoreRoot _root;
    private readonly List<StoreCondition> _began = [];
    private readonly List<TimeSpan> _ended = [];
    private readonly StoreHealth _health;

    public StoreHealthTests()
    {
        _root = StoreRoot.Open(_path, _files);
        _health = NewHealth(NewSpace(minFree: 0));
    }

    public void Dispose()
    {
        _root.Dispose();
        Directory.Delete(_path, recursive: true);
    }

    [Theory]
    [InlineData(1, StorageFault.Permission)]
    [InlineData(5, StorageFault.Io)]
    [InlineData(13, StorageFault.Permission)]
    [InlineData(23, StorageFault.Descriptors)]
    [InlineData(24, StorageFault.Descriptors)]
    [InlineData(28, StorageFault.Full)]
    [InlineData(30, StorageFault.ReadOnly)]
    [InlineData(122, StorageFault.Full)]
    public void Report_ErrorOfTheSystem_HasItsReason(int error, StorageFault reason)
    {
        _health.Report(new IOException("cannot write", new IOException("scripted", error)));

        Assert.Equal((reason, "cannot write"), (_health.Now!.Fault, _health.Now.Why));
        Assert.Equal(1, _health.Met(reason));
    }

    [Fact]
    public void Report_NoRoomOrUpstream_IsNoFault()
    {
        _health.Report(new NoRoomException("the quota is full"));
        _health.Report(new FetchFailedException(RegistryError.Down("gone")));

        Assert.Null(_health.Now);
    }

    [Fact]
    public void Probe_WhileWritesFail_TellsOnceAndThatItEnded()
    {
        Assert.True(_health.Probe());
        _files.WriteError = 28;

        Assert.False(_health.Probe());
        Assert.False(_health.Probe());
        _files.WriteError = 0;
        _clock.Advance(StoreHealth.ProbeEvery);
        Assert.True(_health.Probe());

        Assert.Equal(StorageFault.Full, Assert.Single(_began).Fault);
        Assert.True(_began[0].IsReadable);
        Assert.Equal([StoreHealth.ProbeEvery], _ended);
        Assert.Null(_health.Now);
    }

    [Fact]
    public void Probe_RightAfterAFaultThatItDoesNotMeet_DoesNotTakeItForOver()
    {
        _health.Report(new IOException("a bad sector", 5));

        Assert.True(_health.Probe());
        Assert.NotNull(_health.Now);
        _clock.Advance(StoreHealth.ProbeEvery);
        _health.Probe();

        Assert.Null(_health.Now);
    }

    [Fact]
    public void Probe_NothingCanBeOpened_SaysThatNothingCanBeRead()
    {
        _files.OpenError = 24;

        Assert.False(_health.Probe());

        Assert.Equal((StorageFault.Descriptors, false), (_health.Now!.Fault, _health.Now.IsReadable));
    }

    [Fact]
    public void Probe_FoldersAreGone_MakesThemAnew()
    {
        Directory.Delete(Path.Combine(_path, "partial"), recursive: true);
        Directory.Delete(Path.Combine(_path, "blobs"), recursive: true);

        Assert.True(_health.Probe());

        Assert.True(Directory.Exists(Path.Combine(_path, "partial")));
        Assert.Empty(Directory.EnumerateFileSystemEntries(Path.Combine(_path, "blobs", "sha256")));
    }

    [Fact]
    public async Task Probe_LessFreeThanIsToBeKept_IsFullOnceItIsKnownWhatCanLeave()
    {
        var space = NewSpace(minFree: 1L << 59);
        var health = NewHealth(space);
        Assert.True(health.Probe());
        await space.MeasureAsync(default);

        Assert.False(health.Probe());

        Assert.Equal(StorageFault.Full, Assert.Single(_began).Fault);
    }

    private DiskSpace NewSpace(long minFree) => new(_root, new Kit.MemoryIndex(), new LruPolicy(), 1 << 30, minFree);

    private StoreHealth NewHealth(DiskSpace space) => new(_root, space, _clock) { Began = _began.Add, Ended = _ended.Add };

    private sealed class Broken : FileCalls
    {
        public int WriteError { get; set; }

        public int OpenError { get; set; }

        public override SafeFileHandle Open(string path, FileMode mode = FileMode.Open, FileAccess access = FileAccess.Read, FileOptions options = FileOptions.None) =>
            OpenError == 0 ? base.Open(path, mode, access, options) : throw new IOException("scripted", OpenError);

        public override void Write(SafeFileHandle file, ReadOnlySpan<byte> bytes, long offset)
        {
            if (WriteError != 0) throw new IOException("scripted", WriteError);
            base.Write(file, bytes, offset);
        }
    }
}
