using System.Diagnostics;
using System.Net;
using Entrepot.ClientTests.Images;
using Entrepot.ClientTests.Kit;
using Xunit.Abstractions;

namespace Entrepot.ClientTests.AirGap;

/// <summary>Imports that are killed at random moments, on either side, and stores that have no room: no half state, and the next one completes.</summary>
public sealed class ImportCrashTests(ITestOutputHelper output)
{
    private const int Kills = 8;
    private const int Images = 6;
    private const int LayerBytes = 6 << 20;

    [ClientFact]
    public async Task Kill_CommandAndServerAtRandomMoments_EachImageIsWholeOrAbsentAndTheNextImportCompletes()
    {
        output.WriteLine($"CRASH_SEED={TestRun.Seed}");
        var random = new Random(TestRun.Seed);
        await using var far = await FarSite.StartAsync(nameof(ImportCrashTests));
        var images = Enumerable.Range(0, Images).Select(i => ImageBuilder.Single(
            $"library/bulk{i}", ImageBuilder.Platform(ImageFormat.Oci, TestImage.NativeArchitecture, Layer.Plain(random.Next(), LayerBytes), Layer.Gzip(random.Next(), LayerBytes)))).ToList();
        var layout = far.File("bulk");
        await LayoutFolder.WriteAsync(layout, images);
        var whole = await TimeAsync(() => far.ImportAsync(layout, "--set", "first"));
        await far.Entrepot.RunAsync("remove", "--set", "first");
        Assert.Empty(StoredBlobs.Verify(far.Entrepot.BlobFolder));

        for (var kill = 0; kill < Kills; kill++)
        {
            var start = new ProcessStartInfo(TestRun.Program, ["bundle", "import", layout, "--set", "site", "--server", $"{far.Entrepot.Admin}"])
            {
                RedirectStandardError = true,
                RedirectStandardOutput = true,
            };
            using var command = Process.Start(start)!;
            using var ended = new CancellationTokenSource();
            var watching = WatchAsync(far.Entrepot.Address, images, ended.Token);
            var said = (command.StandardOutput.ReadToEndAsync(), command.StandardError.ReadToEndAsync());
            await Task.Delay(whole * random.NextDouble());
            if (kill % 2 == 0)
            {
                command.Kill();
                await command.WaitForExitAsync();
            }
            else
            {
                await far.Entrepot.KillAsync();
                await command.WaitForExitAsync().WaitAsync(TimeSpan.FromSeconds(10));   // it says that the server is gone, and waits no longer
                output.WriteLine($"{command.ExitCode}: {await said.Item2}");
                await far.Entrepot.StartAsync();
            }

            await ended.CancelAsync();
            await watching;
            StoredBlobs.Verify(far.Entrepot.BlobFolder);
            foreach (var image in images) await IsWholeOrAbsentAsync(far.Entrepot.Address, image);
        }

        await far.ImportAsync(layout, "--set", "site");
        foreach (var image in images) Assert.True(await IsWholeOrAbsentAsync(far.Entrepot.Address, image));
        Assert.Empty(Directory.EnumerateFiles(Path.Combine(far.Entrepot.Root, "staging")));
        await far.Entrepot.RunAsync("remove", "--set", "site");
        Assert.Empty(StoredBlobs.Verify(far.Entrepot.BlobFolder));
    }

    [ClientFact]
    public async Task FullDisk_IsRefusedFirstAndLeavesNothing()
    {
        var disk = Directory.CreateTempSubdirectory("entrepot-disk-");
        await Tool.RunAsync("mount", ["-t", "tmpfs", "-o", "size=24m", "tmpfs", disk.FullName]);
        try
        {
            await using var far = await FarSite.StartAsync(nameof(FullDisk_IsRefusedFirstAndLeavesNothing), "1GiB", disk.FullName);
            var (small, large) = (Image("small", 1, 14 << 20), Image("large", 2, 30 << 20));   // the small one would not fit twice
            await LayoutFolder.WriteAsync(far.File("both"), [small, large]);
            await LayoutFolder.WriteAsync(far.File("small"), [small]);

            Assert.Matches(@"new blobs take [\d.]+ MiB \(\d+ bytes\) on disk, and the file system has room for", await far.RefusalAsync(far.File("both")));
            Assert.Empty(StoredBlobs.Verify(far.Entrepot.BlobFolder));
            Assert.False(await IsWholeOrAbsentAsync(far.Entrepot.Address, small));

            await far.ImportAsync(far.File("small"));
            Assert.True(await IsWholeOrAbsentAsync(far.Entrepot.Address, small));
        }
        finally
        {
            await Tool.RunAsync("umount", ["-l", disk.FullName]);
            disk.Delete();
        }
    }

    private static TestImage Image(string name, int seed, int bytes) =>
        ImageBuilder.Single($"library/{name}", ImageBuilder.Platform(ImageFormat.Oci, TestImage.NativeArchitecture, Layer.Plain(seed, bytes)));

    // At every moment, and not only when it is over; a server that is killed answers nothing.
    private static async Task WatchAsync(Uri server, List<TestImage> images, CancellationToken end)
    {
        for (var next = 0; !end.IsCancellationRequested; next = (next + 1) % images.Count)
        {
            try
            {
                await IsWholeOrAbsentAsync(server, images[next]);
            }
            catch (Exception fault) when (fault is HttpRequestException or IOException)
            {
                await Task.Yield();
            }
        }
    }

    // Asserts that it is one of the two, by its tag, and says which.
    private static async Task<bool> IsWholeOrAbsentAsync(Uri server, TestImage image)
    {
        using var manifest = await Http.Client.GetAsync(new Uri(server, $"v2/{image.Repository}/manifests/{image.Tag}"));
        if (manifest.StatusCode is HttpStatusCode.NotFound) return false;
        Assert.Equal(HttpStatusCode.OK, manifest.StatusCode);
        Assert.Equal(image.Root.Bytes, await manifest.Content.ReadAsByteArrayAsync());
        foreach (var blob in image.Blobs)
        {
            using var answer = await Http.Client.GetAsync(new Uri(server, $"v2/{image.Repository}/blobs/{blob.Digest}"));
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
            Assert.Equal(blob.Bytes, await answer.Content.ReadAsByteArrayAsync());
        }

        return true;
    }

    private static async Task<TimeSpan> TimeAsync(Func<Task> work)
    {
        var clock = Stopwatch.StartNew();
        await work();
        return clock.Elapsed;
    }
}
