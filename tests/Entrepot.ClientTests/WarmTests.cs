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
}
