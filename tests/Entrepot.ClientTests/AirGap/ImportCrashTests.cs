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
                await AssertSaysThatTheServerIsGoneAsync(command, said.Item2);
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
    public async Task Kill_WhileASetIsReplaced_ItIsTheOldOrTheNewOneAndThenExactlyTheNewOne()
    {
        output.WriteLine($"CRASH_SEED={TestRun.Seed}");
        var random = new Random(TestRun.Seed);
        await using var far = await FarSite.StartAsync(nameof(Kill_WhileASetIsReplaced_ItIsTheOldOrTheNewOneAndThenExactlyTheNewOne));
        List<TestImage>[] sets = [MakeSet(random, 0), MakeSet(random, 3)];   // three tags mean other images in the other set, and three are in one alone
        string[] layouts = [far.File("even"), far.File("odd")];
        for (var i = 0; i < 2; i++) await LayoutFolder.WriteAsync(layouts[i], sets[i]);
        await far.ImportAsync(layouts[1], "--set", "site");
        var whole = await TimeAsync(() => far.ImportAsync(layouts[0], "--set", "site"));

        for (var kill = 0; kill < 2 * Kills; kill++)
        {
            var (before, after) = (sets[kill % 2], sets[(kill + 1) % 2]);
            using var command = Start(far, layouts[(kill + 1) % 2]);
            using var ended = new CancellationTokenSource();
            var watching = WatchAsync(far.Entrepot.Address, before, after, ended.Token);
            var said = (command.StandardOutput.ReadToEndAsync(), command.StandardError.ReadToEndAsync());

            // At any moment, and at the one when the new set has just become visible and the old one is about to go.
            if (kill % 4 < 2) await Task.Delay(whole * random.NextDouble());
            else await Eventually.TrueAsync(async () => command.HasExited || (await MeaningAsync(far.Entrepot.Address, after[0]) ?? []).SequenceEqual(after[0].Root.Bytes));
            if (kill % 3 == 0) command.Kill();
            else await far.Entrepot.KillAsync();
            await AssertSaysThatTheServerIsGoneAsync(command, said.Item2);
            await ended.CancelAsync();
            await watching;
            if (kill % 3 != 0)
            {
                await far.Entrepot.StartAsync();
                await AssertIsOneOfAsync(far.Entrepot.Address, before, after);
            }

            await far.ImportAsync(layouts[(kill + 1) % 2], "--set", "site");
            await AssertIsExactlyAsync(far, after, before);
        }

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

    private static List<TestImage> MakeSet(Random random, int first) =>
    [
        .. Enumerable.Range(first, Images).Select(i => ImageBuilder.Single(
            $"library/app{i}", ImageBuilder.Platform(ImageFormat.Oci, TestImage.NativeArchitecture, Layer.Plain(i, 1 << 20), Layer.Gzip(random.Next(), LayerBytes / 3)))),
    ];

    private static Process Start(FarSite far, string layout) => Process.Start(
        new ProcessStartInfo(TestRun.Program, ["bundle", "import", layout, "--set", "site", "--server", $"{far.Entrepot.Admin}"]) { RedirectStandardError = true, RedirectStandardOutput = true })!;

    // Within seconds, unless it was done already, or was killed itself.
    private async Task AssertSaysThatTheServerIsGoneAsync(Process command, Task<string> said)
    {
        await command.WaitForExitAsync().WaitAsync(TimeSpan.FromSeconds(10));
        output.WriteLine($"{command.ExitCode}: {await said}");
        if (command.ExitCode is 0 or 137) return;
        Assert.Equal(1, command.ExitCode);
        Assert.Matches("went away|nothing answers|has not answered", await said);
    }

    // What a tag means; null if nothing.
    private static async Task<byte[]?> MeaningAsync(Uri server, TestImage image)
    {
        using var manifest = await Http.Client.GetAsync(new Uri(server, $"v2/{image.Repository}/manifests/{image.Tag}"));
        return manifest.IsSuccessStatusCode ? await manifest.Content.ReadAsByteArrayAsync() : null;
    }

    // Each image of either set is whole, whichever its tag means, unless the tag has come to mean something else meanwhile.
    private static async Task WatchAsync(Uri server, List<TestImage> before, List<TestImage> after, CancellationToken end)
    {
        for (var next = 0; !end.IsCancellationRequested; next = (next + 1) % (before.Count + after.Count))
        {
            var image = before.Concat(after).ElementAt(next);
            try
            {
                if (await MeaningAsync(server, image) is not { } meaning || !meaning.SequenceEqual(image.Root.Bytes)) continue;
                var isWhole = await IsWholeAsync(server, image);
                Assert.True(isWhole || !(await MeaningAsync(server, image) ?? []).SequenceEqual(meaning), $"{image} is half gone");
            }
            catch (Exception fault) when (fault is HttpRequestException or IOException)
            {
                await Task.Yield();
            }
        }
    }

    private static async Task<bool> IsWholeAsync(Uri server, TestImage image)
    {
        foreach (var blob in image.Blobs)
        {
            using var answer = await Http.Client.GetAsync(new Uri(server, $"v2/{image.Repository}/blobs/{blob.Digest}"));
            if (answer.StatusCode is HttpStatusCode.NotFound) return false;
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
            Assert.Equal(blob.Bytes, await answer.Content.ReadAsByteArrayAsync());
        }

        return true;
    }

    // All tags mean what they did before, or all what they do afterwards, and what they mean is whole.
    private static async Task AssertIsOneOfAsync(Uri server, List<TestImage> before, List<TestImage> after)
    {
        var now = (await MeaningAsync(server, after[^1]) ?? []).SequenceEqual(after[^1].Root.Bytes) ? after : before;
        foreach (var image in now)
        {
            Assert.Equal(image.Root.Bytes, await MeaningAsync(server, image));
            Assert.True(await IsWholeAsync(server, image), $"{image} is half gone");
        }
    }

    private static async Task AssertIsExactlyAsync(FarSite far, List<TestImage> after, List<TestImage> before)
    {
        foreach (var image in after)
        {
            Assert.Equal(image.Root.Bytes, await MeaningAsync(far.Entrepot.Address, image));
            Assert.True(await IsWholeAsync(far.Entrepot.Address, image));
        }

        foreach (var gone in before.Where(image => !after.Exists(other => other.Repository == image.Repository))) Assert.Null(await MeaningAsync(far.Entrepot.Address, gone));
        var wanted = after.SelectMany(image => image.Blobs.Concat(image.Manifests)).Select(content => content.Digest).ToHashSet();
        await Eventually.TrueAsync(() => Task.FromResult(wanted.SetEquals(Directory.EnumerateFiles(far.Entrepot.BlobFolder, "*", SearchOption.AllDirectories).Select(file => "sha256:" + Path.GetFileName(file)))));
        StoredBlobs.Verify(far.Entrepot.BlobFolder);
        Assert.Empty(Directory.EnumerateFiles(Path.Combine(far.Entrepot.Root, "staging")));
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
