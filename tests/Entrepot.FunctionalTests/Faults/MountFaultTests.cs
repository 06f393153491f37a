using System.Diagnostics;
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
        _isSmall = TryRun("mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", options.StorageRoot);
        return options;
    };

    async Task IAsyncLifetime.DisposeAsync()
    {
        await Cache.StopAsync();
        if (_isSmall) TryRun("umount", "-l", Root);
        await DisposeAsync();
    }

    [MountTheory]
    [Fault("a small file system is full of other files, and the cache of pinned ones")]
    public async Task FileSystem_IsFull_PullsGoOn(string fault)
    {
        Assert.True(_isSmall, "no file system can be mounted");
        await Cache.PinAsync("org/app:known");
        var filler = Path.Combine(Root, "filler");
        await FailAsync(fault, "full", () => Fill(filler), () => File.Delete(filler));
    }

    [MountTheory]
    [Fault("the file system is mounted read-only")]
    public async Task FileSystem_IsReadOnly_PullsGoOn(string fault)
    {
        Assert.True(_isSmall && TryRun("mount", "--bind", Root, Root), "no file system can be mounted");
        await FailAsync(
            fault, "readonly",
            () => Assert.True(TryRun("mount", "-o", "remount,bind,ro", Root), "it cannot be made read-only"),
            () => Assert.True(TryRun("umount", "-l", Root), "it stays read-only"));
    }

    private static void Fill(string path)
    {
        using var file = new FileStream(path, FileMode.Create, FileAccess.Write, FileShare.Read, bufferSize: 0);
        try
        {
            while (true) file.Write(new byte[4096]);
        }
        catch (IOException)
        {
            // Now it is.
        }
    }

    private static bool TryRun(string program, params string[] arguments)
    {
        if (!File.Exists(Path.Combine("/usr/bin", program))) return false;
        using var process = Process.Start(new ProcessStartInfo(Path.Combine("/usr/bin", program), arguments) { RedirectStandardError = true })!;
        process.StandardError.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0;
    }
}
