using Entrepot.FunctionalTests.Cli;
using Entrepot.FunctionalTests.Kit;
using Entrepot.FunctionalTests.Registry;

namespace Entrepot.FunctionalTests.Bundles;

/// <summary>Exports that end in the middle.</summary>
public sealed class ExportStopTests
{
    [Fact]
    public async Task Export_InterruptedAgainAndAgain_GivesTheSameBytes()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry);
        var folder = Directory.CreateTempSubdirectory("entrepot-export-");
        try
        {
            await cache.PullAsync(registry.Content.AddImage("org/app", "1", TestBlob.Random(20_000_000, seed: 810), TestBlob.Random(9_000_000, seed: 811)));
            var (whole, site) = (Path.Combine(folder.FullName, "whole.tar"), Path.Combine(folder.FullName, "site.tar"));
            string[] arguments = ["bundle", "export", "org/app:1", "--server", cache.Admin.GetLeftPart(UriPartial.Authority), "-o"];
            using (var line = new CommandLine()) (await line.RunAsync([.. arguments, whole])).IsFine();

            foreach (var enough in new[] { 1, 5_000_000, 15_000_000, 22_000_000 })
            {
                using var line = new CommandLine();
                var running = line.RunAsync([.. arguments, site]);
                while (!running.IsCompleted && LengthOf(site + ".partial") < enough) await Task.Yield();
                line.Interrupt();
                if ((await running).Status == 0) break;   // it was faster

                Assert.False(File.Exists(site));
            }

            using (var line = new CommandLine()) (await line.RunAsync([.. arguments, site])).IsFine();
            Assert.Equal(await File.ReadAllBytesAsync(whole), await File.ReadAllBytesAsync(site));
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static long LengthOf(string path) => new FileInfo(path) is { Exists: true } file ? file.Length : 0;
}
