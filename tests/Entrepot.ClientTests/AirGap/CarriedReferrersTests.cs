using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Entrepot.ClientTests.Images;
using Entrepot.ClientTests.Kit;

namespace Entrepot.ClientTests.AirGap;

/// <summary>Signatures and what else refers to an image are carried with it: asked for as cosign and oras ask, without needing either.</summary>
public sealed class CarriedReferrersTests
{
    private const string Sbom = "application/spdx+json";

    [ClientFact]
    public async Task CosignTagAndReferrer_Carried_AreServedThere()
    {
        var image = SampleImages.Named("library/multi");
        var name = $"sha256-{image.Root.Hex}";
        var signature = ImageBuilder.Single(image.Repository, ImageBuilder.Platform(ImageFormat.Oci, TestImage.NativeArchitecture, Layer.Gzip(77, 500))) with { Tag = $"{name}.sig" };
        var referrer = Json(ImageFormat.Oci.Manifest, new JsonObject
        {
            ["schemaVersion"] = 2,
            ["mediaType"] = ImageFormat.Oci.Manifest,
            ["artifactType"] = Sbom,
            ["config"] = signature.Native.Config.Descriptor(),
            ["layers"] = new JsonArray(signature.Native.Layers[0].Blob.Descriptor()),
            ["subject"] = image.Root.Descriptor(),
        });
        var described = referrer.Descriptor();
        described["artifactType"] = Sbom;
        var list = Json(ImageFormat.Oci.Index, new JsonObject { ["schemaVersion"] = 2, ["mediaType"] = ImageFormat.Oci.Index, ["manifests"] = new JsonArray(described) });
        await using var near = await Scene.StartAsync("0s", [image, signature]);
        await using var far = await FarSite.StartAsync(nameof(CosignTagAndReferrer_Carried_AreServedThere));
        await near.Registry.PushAsync(image.Repository, referrer.Digest, referrer);
        await near.Registry.PushAsync(image.Repository, name, list);   // as clients do where a registry has no API for it
        await near.Entrepot.RunAsync("warm", $"docker.io/{image}");
        await near.Registry.StopAsync();
        await near.Entrepot.RunAsync("bundle", "export", "-o", far.File("site.tar"), $"docker.io/{image}");

        await far.ImportAsync(far.File("site.tar"));

        await far.Skopeo.CopyAsync(image);
        for (var restart = 0; restart < 2; restart++)
        {
            foreach (var reference in (string[])[signature.Tag, signature.Root.Digest]) Assert.Equal(signature.Root.Bytes, await GetAsync($"manifests/{reference}"));
            foreach (var blob in signature.Blobs) Assert.Equal(blob.Bytes, await GetAsync($"blobs/{blob.Digest}"));
            foreach (var type in (string[])["", $"?artifactType={Uri.EscapeDataString(Sbom)}"])
                Assert.Equal(referrer.Digest, (string?)JsonNode.Parse(await GetAsync($"referrers/{image.Root.Digest}{type}"))!["manifests"]!.AsArray().Single()!["digest"]);
            Assert.Equal(referrer.Bytes, await GetAsync($"manifests/{referrer.Digest}"));
            await far.Entrepot.StopAsync();
            await far.Entrepot.StartAsync();
        }

        async Task<byte[]> GetAsync(string path)
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(far.Entrepot.Address, $"v2/docker.io/{image.Repository}/{path}"));
            request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue("*/*"));
            using var answer = await Http.Client.SendAsync(request);
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
            return await answer.Content.ReadAsByteArrayAsync();
        }
    }

    private static Content Json(string mediaType, JsonObject json) => new(mediaType, Encoding.UTF8.GetBytes(json.ToJsonString(new JsonSerializerOptions())));
}
