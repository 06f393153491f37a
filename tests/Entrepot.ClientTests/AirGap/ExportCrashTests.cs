using System.Diagnostics;
using Entrepot.ClientTests.Images;
using Entrepot.ClientTests.Kit;
using Xunit.Abstractions;

namespace Entrepot.ClientTests.AirGap;

/// <summary>Exports that are killed at random moments, on either side, and disks that are full: no half state, and the next one gives the same bytes.</summary>
public sealed class ExportCrashTests(ITestOutputHelper output)
{
    private const int Kills = 8;
    private const int LayerBytes = 6 << 20;

    // What a command may take to say that its server is gone.
    private static readonly TimeSpan Seconds = TimeSpan.FromSeconds(10);

    [ClientFact]
    public async Task Kill_CommandAndServerAtRandomMoments_TheNextExportGivesTheSameBytes()
    {
        output.WriteLine($"CRASH_SEED={TestRun.Seed}");
        var random = new Random(TestRun.Seed);
        var images = Enumerable.Range(0, 4).Select(i => Image($"bulk{i}", random.Next(), LayerBytes)).ToList();
        await using var near = await Scene.StartAsync("0s", images);
        using var media = new Media();
        string[] names = [.. images.Select(image => $"docker.io/{image}")];
        await near.Entrepot.RunAsync(["bundle", "export", "-o", media.File("first.tar"), .. names]);   // fetches them
        var clock = Stopwatch.StartNew();
        await near.Entrepot.RunAsync(["bundle", "export", "-o", media.File("whole.tar"), .. names]);
        var whole = clock.Elapsed;
        var (bytes, receipt) = (await File.ReadAllBytesAsync(media.File("whole.tar")), await File.ReadAllTextAsync(media.File("whole.receipt.json")));
        Assert.Equal(bytes, await File.ReadAllBytesAsync(media.File("first.tar")));

        for (var kill = 0; kill < Kills; kill++)
        {
            using var command = Start(near, media, names);
            var said = (command.StandardOutput.ReadToEndAsync(), command.StandardError.ReadToEndAsync());
            await Task.Delay(whole * random.NextDouble());
            if (kill % 2 == 0) command.Kill();
            else await near.Entrepot.KillAsync();
            await command.WaitForExitAsync().WaitAsync(Seconds);
            output.WriteLine($"{command.ExitCode}: {await said.Item2}");
            if (kill % 2 != 0)
            {
                if (command.ExitCode != 0) Assert.Equal(1, command.ExitCode);
                if (command.ExitCode != 0) Assert.Matches("went away|nothing answers|has not answered", await said.Item2);
                await near.Entrepot.StartAsync();
            }

            if (File.Exists(media.File("site.tar"))) Assert.Equal(bytes, await File.ReadAllBytesAsync(media.File("site.tar")));
            if (File.Exists(media.File("site.receipt.json"))) Assert.Equal(receipt.Replace("whole.tar", "site.tar", StringComparison.Ordinal), await File.ReadAllTextAsync(media.File("site.receipt.json")));
        }

        await near.Entrepot.RunAsync(["bundle", "export", "-o", media.File("site.tar"), .. names]);
        Assert.Equal(bytes, await File.ReadAllBytesAsync(media.File("site.tar")));
        Assert.Equal(receipt.Replace("whole.tar", "site.tar", StringComparison.Ordinal), await File.ReadAllTextAsync(media.File("site.receipt.json")));
        Assert.Empty(media.Partial());
    }

    [ClientFact]
    public async Task FullDisk_IsSaidAndTheSameCommandGoesOn()
    {
        var image = Image("large", 3, 10 << 20);
        await using var near = await Scene.StartAsync("0s", [image]);
        using var media = new Media();
        await near.Entrepot.RunAsync("bundle", "export", "-o", media.File("site.tar"), $"docker.io/{image}");
        var bytes = await File.ReadAllBytesAsync(media.File("site.tar"));
        var disk = Directory.CreateDirectory(media.File("disk"));
        await Tool.RunAsync("mount", ["-t", "tmpfs", "-o", "size=12m", "tmpfs", disk.FullName]);
        try
        {
            var site = Path.Combine(disk.FullName, "site.tar");
            Assert.Matches(@"the disk of \S+site\.tar is full: [\d.]+ MiB are still to be written; what is there is kept as \S+site\.tar\.partial, and the same command goes on with it", await RefusalAsync(near, site, image));
            Assert.False(File.Exists(site));

            // Room for the archive, and for no receipt.
            await Tool.RunAsync("mount", ["-o", $"remount,size={(bytes.Length + 4095) / 4096 * 4096}", disk.FullName]);
            Assert.Contains("the archive is written, and its receipt is not; the same command goes on", await RefusalAsync(near, site, image), StringComparison.Ordinal);
            Assert.False(File.Exists(site));

            await Tool.RunAsync("mount", ["-o", "remount,size=64m", disk.FullName]);
            await near.Entrepot.RunAsync("bundle", "export", "-o", site, $"docker.io/{image}");
            Assert.Equal(bytes, await File.ReadAllBytesAsync(site));
            Assert.Equal(["site.receipt.json", "site.tar"], disk.GetFiles().Select(file => file.Name).Order(StringComparer.Ordinal));
        }
        finally
        {
            await Tool.RunAsync("umount", ["-l", disk.FullName]);
        }
    }

    private static Process Start(Scene near, Media media, string[] names) => Process.Start(new ProcessStartInfo(
        TestRun.Program, ["bundle", "export", "-o", media.File("site.tar"), .. names, "--server", $"{near.Entrepot.Admin}"])
    {
        RedirectStandardError = true,
        RedirectStandardOutput = true,
    })!;

    private static async Task<string> RefusalAsync(Scene near, string site, TestImage image) =>
        (await Assert.ThrowsAsync<InvalidOperationException>(() => near.Entrepot.RunAsync("bundle", "export", "-o", site, $"docker.io/{image}"))).Message.Split("exit status 1: ")[1].TrimEnd();

    private static TestImage Image(string name, int seed, int bytes) => ImageBuilder.Single(
        $"library/{name}", ImageBuilder.Platform(ImageFormat.Oci, TestImage.NativeArchitecture, Layer.Plain(seed, bytes), Layer.Gzip(seed, bytes)));

    // A folder for what is carried.
    private sealed class Media : IDisposable
    {
        private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("entrepot-media-");

        public string File(string name) => Path.Combine(_folder.FullName, name);

        public IEnumerable<string> Partial() => Directory.EnumerateFiles(_folder.FullName, "*.partial");

        public void Dispose() => _folder.Delete(recursive: true);
    }
}
