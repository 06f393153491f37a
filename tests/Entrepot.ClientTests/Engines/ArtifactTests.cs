using System.Text.Json.Nodes;
using Entrepot.ClientTests.Kit;

namespace Entrepot.ClientTests.Engines;

/// <summary>What refers to an image (signatures, bills of materials), asked for by a real client.</summary>
public sealed class ArtifactTests
{
    private const string Type = "application/vnd.example.sbom";

    [ProgramTheory]
    [ProgramData("oras", true)]
    [ProgramData("oras", false)]
    public async Task Oras_Discover_FindsWhatRefersToAnImage(string oras, bool upstreamHasReferrers)
    {
        await using var stage = await Stage.StartAsync(oras);
        stage.Upstream.HasReferrers = upstreamHasReferrers;
        var subject = stage.Upstream.Content.FindManifest(Stage.Image.Repository, Stage.Image.Tag)!;
        var referrer = stage.Upstream.Content.AddReferrer(Stage.Image.Repository, subject, Type);
        if (!upstreamHasReferrers)
            stage.Upstream.Content.AddIndex(Stage.Image.Repository, "sha256-" + Stage.Image.Root.Hex, referrer);

        var found = JsonNode.Parse(await Tool.ReadAsync(
            ClientProgram.Named(oras).File,
            ["discover", "--plain-http", "--format", "json", $"{stage.Entrepot.Host}/docker.io/{Stage.Image}"]))!["referrers"]!.AsArray().Single()!;

        Assert.Equal((referrer.Digest.ToString(), Type), (found["digest"]!.GetValue<string>(), found["artifactType"]!.GetValue<string>()));
    }
}
