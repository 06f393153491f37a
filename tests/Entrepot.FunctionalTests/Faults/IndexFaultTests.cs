using Entrepot.FunctionalTests.Registry;
using Entrepot.Server.Options;

namespace Entrepot.FunctionalTests.Faults;

/// <summary>Only the index cannot be written down: everything goes on, and what is stored meanwhile is found after the next start.</summary>
public sealed class IndexFaultTests : StorageFaultTest, IAsyncLifetime
{
    private bool _isMounted;

    private protected override Func<EntrepotOptions, EntrepotOptions> Options => options => options with { CheckpointEvery = TimeSpan.FromSeconds(1) };

    private string Index => Path.Combine(Root, "index");

    async Task IAsyncLifetime.DisposeAsync()
    {
        if (_isMounted) End();
        await DisposeAsync();
    }

    [MountTheory]
    [Fault("the index's file system is full", "full", "size=4k,nr_inodes=2")]
    [Fault("the index's file system is read-only", "readonly", "size=1m,ro")]
    public Task Checkpoint_CannotBeWritten_PullsGoOn(string fault, string reason, string mount) => FailAsync(fault, reason, () => Begin(mount), End);

    [MountTheory]
    [InlineData("size=4k,nr_inodes=2")]
    [InlineData("size=1m,ro")]
    public async Task Checkpoint_CouldNotBeWrittenToTheEnd_TheNextStartFindsEverything(string mount)
    {
        Begin(mount);
        await Cache.PullAsync(Unknown);
        await Cache.MetricsAsync(metrics => metrics.Sum("entrepot_storage_faults_total") > 0);
        Cache.Reload(options => options with { Offline = true });
        await Cache.StopAsync();
        End();

        await Cache.StartAgainAsync();

        foreach (var image in (TestImage[])[Known, Unknown])
        {
            (await Cache.GetManifestAsync(image.Tag)).Is(image.Manifest.Bytes);
            foreach (var blob in image.Layers.Append(image.Config)) (await Cache.GetBlobAsync(blob)).Is(blob.Bytes);
        }
    }

    private void Begin(string mount)
    {
        Assert.True(_isMounted = Mounts.TryMount(Index, mount), "no file system can be mounted");
        if (!mount.EndsWith("ro", StringComparison.Ordinal)) Mounts.Fill(Path.Combine(Index, "filler"));
    }

    private void End()
    {
        Assert.True(Mounts.TryRun("umount", "-l", Index), "it stays");
        _isMounted = false;
    }
}
