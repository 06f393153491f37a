using System.Diagnostics;
using Entrepot.ClientTests.Images;
using Entrepot.ClientTests.Kit;

namespace Entrepot.ClientTests;

/// <summary>What was warmed is a hit for real clients, with nothing behind the appliance any more.</summary>
public sealed class WarmTests
{
    [ClientFact]
    public async Task Warm_FromManifestsThenUpstreamStopped_IsAllThatClientsNeed()
    {
        var image = SampleImages.Named("library/multi");
        await using var scene = await Scene.StartAsync("1h", [image]);
        var folder = Directory.CreateTempSubdirectory("entrepot-");
        var file = Path.Combine(folder.FullName, "pod.yaml");
        await File.WriteAllTextAsync(file, $"apiVersion: v1\nkind: Pod\nspec: {{ containers: [{{ name: a, image: '{image}' }}] }}\n");

        var first = await Tool.ReadAsync(TestRun.Program, ["warm", "--from", file, "--server", $"{scene.Entrepot.Admin}"]);
        var again = await Tool.ReadAsync(TestRun.Program, ["warm", "--from", file, "--server", $"{scene.Entrepot.Admin}"]);

        Assert.StartsWith("fetched ", first, StringComparison.Ordinal);
        Assert.StartsWith("unchanged ", again, StringComparison.Ordinal);
        await scene.StopUpstreamAndAssertAskedOnceAsync(image, image.Blobs);
        await scene.Skopeo().CopyAsync(image);
        var dockerd = await scene.StartDockerdAsync();
        await dockerd.PullAsync(image);
        Assert.Equal(0, await scene.Entrepot.CountAsync("entrepot_requests_total{kind=\"blob\",upstream=\"docker.io\",source=\"fetched\"}"));
        folder.Delete(recursive: true);
    }

    [ClientFact]
    public async Task Warm_ServerKilled_EndsWithinSecondsAndSaysSo()
    {
        var image = ImageBuilder.Single("library/large", ImageBuilder.Platform(ImageFormat.Oci, TestImage.NativeArchitecture, Layer.Plain(7, 48 << 20)));
        await using var scene = await Scene.StartAsync("1h", [image], environment: new Dictionary<string, string> { ["ENTREPOT_UPSTREAMS__0__BANDWIDTH"] = "1MB/s" });
        using var command = Process.Start(
            new ProcessStartInfo(TestRun.Program, ["warm", image.ToString(), "--server", $"{scene.Entrepot.Admin}"]) { RedirectStandardError = true, RedirectStandardOutput = true })!;
        var said = (command.StandardOutput.ReadToEndAsync(), command.StandardError.ReadToEndAsync());
        await Eventually.TrueAsync(async () => await scene.Entrepot.MetricAsync("entrepot_fetches_running") > 0);

        await scene.Entrepot.KillAsync();

        await command.WaitForExitAsync().WaitAsync(TimeSpan.FromSeconds(10));
        Assert.Equal(1, command.ExitCode);
        Assert.Contains("went away", await said.Item2, StringComparison.Ordinal);
        await scene.Entrepot.StartAsync();
    }
}
