using Entrepot.FunctionalTests.Admin;
using Entrepot.Server.Options;

namespace Entrepot.FunctionalTests.Faults;

/// <summary>The real thing, where the tests are root: their rows stay as they are where not. <see cref="DiskFaultTests"/> has the same by injected errors.</summary>
public sealed class MountFaultTests : StorageFaultTest, IAsyncLifetime
{
    private bool _isSmall;

    // A file system of its own, small enough to be filled.
    private protected override Func<EntrepotOptions, EntrepotOptions> Options => options =>
    {
        _isSmall = Mounts.TryMount(options.StorageRoot, "size=32m");
        return options;
    };

    async Task IAsyncLifetime.DisposeAsync()
    {
        await Cache.StopAsync();
        if (_isSmall) Mounts.TryRun("umount", "-l", Root);
        await DisposeAsync();
    }

    [MountTheory]
    [Fault("a small file system is full of other files, and the cache of pinned ones")]
    public async Task FileSystem_IsFull_PullsGoOn(string fault)
    {
        Assert.True(_isSmall, "no file system can be mounted");
        await Cache.PinAsync("org/app:known");
        var filler = Path.Combine(Root, "filler");
        await FailAsync(fault, "full", () => Mounts.Fill(filler), () => File.Delete(filler));
    }

    [MountTheory]
    [Fault("a small file system is full when the cache starts")]
    public async Task FileSystem_IsFullAtTheStart_PullsGoOn(string fault)
    {
        Assert.True(_isSmall, "no file system can be mounted");
        await Cache.PinAsync("org/app:known");
        var filler = Path.Combine(Root, "filler");
        await FailAsync(fault, "full", () => Mounts.Fill(filler), () => File.Delete(filler), atStart: true);
    }

    [MountTheory]
    [Fault("the file system is mounted read-only", false)]
    [Fault("the file system is mounted read-only when the cache starts", true)]
    public async Task FileSystem_IsReadOnly_PullsGoOn(string fault, bool atStart)
    {
        Assert.True(_isSmall && Mounts.TryRun("mount", "--bind", Root, Root), "no file system can be mounted");
        await FailAsync(
            fault, "readonly",
            () => Assert.True(Mounts.TryRun("mount", "-o", "remount,bind,ro", Root), "it cannot be made read-only"),
            () => Assert.True(Mounts.TryRun("umount", "-l", Root), "it stays read-only"),
            atStart);
    }
}
