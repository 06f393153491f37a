using System.Text;
using System.Text.Json.Nodes;
using Entrepot.FunctionalTests.Kit;
using Entrepot.FunctionalTests.Registry;
using Entrepot.Oci;
using Entrepot.Pull;

namespace Entrepot.FunctionalTests.Hostile;

/// <summary>Indexes that name so many manifests, or the same ones so often, that to follow them would never end.</summary>
public sealed class IndexBombTests : SiteTest
{
    private const int Width = 60;
    private const int Most = 50_000;      // parts of an image, as docs/limits.md has it
    private const int MostInOne = 9990;   // descriptors of a manifest that is followed at all

    private readonly ShiftedClock _clock = new();
    private readonly FaultyFiles _files = new();
    private int _opened;

    private protected override Setup Setup => new() { Clock = _clock, Files = _files, TagTtl = TimeSpan.FromDays(1) };

    [Fact]
    public async Task Pull_OfABombOfNestedIndexes_ReadsAndAsksForEachManifestOnce()
    {
        var images = Enumerable.Range(0, Width).Select(i => Registry.Content.AddImage("org/app", $"image{i}", TestBlob.Random(100, seed: 40_000 + i)).Manifest).ToArray();
        var indexes = Enumerable.Range(0, Width).Select(i => Registry.Content.AddIndex("org/app", $"index{i}", [.. images.Skip(i), .. images.Take(i)])).ToArray();
        var root = Registry.Content.AddIndex("org/app", "bomb", indexes);
        foreach (var one in images.Concat(indexes).Append(root)) (await Cache.GetManifestAsync(one.Digest.ToString())).Is(one.Bytes);
        (await Cache.GetManifestAsync("bomb")).Is(root.Bytes);
        await Cache.Host.MarkedAsync();
        _clock.Advance(RecentTouches.Interval);
        _files.Fault = (call, path, _) => call is FileCall.Open && path.Contains("/blobs/", StringComparison.Ordinal) && Interlocked.Increment(ref _opened) < 0 ? FaultyFiles.Io : 0;

        Assert.Equal(200, (await Cache.HeadAsync("/v2/org/app/manifests/bomb")).Status);
        await Cache.Host.MarkedAsync();

        Assert.InRange(_opened, 1, 2 * Width + 2);
        Assert.Equal(2 * Width + 1, Registry.Log.Count(request => request is { IsManifest: true, Method: "GET" }));
    }

    [Fact]
    public async Task Warm_OfMoreThanAnImageHas_FailsAndAsksForNoMore()
    {
        var full = Enumerable.Range(0, Most / MostInOne).Select(i => Add($"full{i}", Names(i * MostInOne, MostInOne, "layers"))).ToList();
        var last = Add("last", Names(-3000, 3000, "manifests"));
        Registry.Content.AddIndex("org/app", "bomb", [.. full, last]);

        var (status, error) = await WarmAsync("org/app:bomb");

        Assert.Equal("failed", status);
        Assert.Equal($"docker.io/org/app@{last.Digest}: with it the image has more than {Most} parts, which are the most that are followed", error);
        Assert.InRange(Registry.Log.All.Count, full.Count + 2, full.Count + 4);
        Assert.Equal(0, Registry.BlobGets);
    }

    [Fact]
    public async Task Warm_OfABombOfNestedIndexes_FailsWithoutEnd()
    {
        var images = Enumerable.Range(0, Width).Select(i => Registry.Content.AddImage("org/app", $"image{i}", TestBlob.Random(100, seed: 41_000 + i)).Manifest).ToArray();
        var indexes = Enumerable.Range(0, Most / Width).Select(i => Add($"index{i}", Many(i, images))).ToArray();
        Registry.Content.AddIndex("org/app", "bomb", indexes);

        var (status, error) = await WarmAsync("org/app:bomb");

        Assert.Equal("failed", status);
        Assert.EndsWith($"more than {Most} parts, which are the most that are followed", error, StringComparison.Ordinal);
        Assert.InRange(Registry.Log.All.Count, 1, images.Length + indexes.Length + 3);
        Assert.Equal(0, Registry.BlobGets);
    }

    private TestManifest Add(string tag, JsonObject manifest) => Registry.Content.AddManifest("org/app", tag, manifest, (string)manifest["mediaType"]!);

    private static JsonObject Many(int number, IEnumerable<TestManifest> manifests)
    {
        var index = Content.IndexOf(manifests);
        index["mediaType"] = MediaTypes.OciIndex;
        index["annotations"] = new JsonObject { ["number"] = $"{number}" };
        return index;
    }

    // A manifest that names things that are nowhere.
    private static JsonObject Names(int from, int count, string what) => new()
    {
        ["schemaVersion"] = 2,
        ["mediaType"] = what == "layers" ? MediaTypes.OciManifest : MediaTypes.OciIndex,
        [what] = new JsonArray([.. Enumerable.Range(from, count).Select(i => (JsonNode)new JsonObject
        {
            ["mediaType"] = MediaTypes.OciManifest,
            ["digest"] = Digest.Of(BitConverter.GetBytes(i)).ToString(),
            ["size"] = 2,
        })]),
    };

    private async Task<(string? Status, string? Error)> WarmAsync(string reference)
    {
        using var content = new StringContent($$"""{"images":[{"reference":"{{reference}}"}],"referrers":false}""", Encoding.UTF8, "application/json");
        using var response = await Cache.Client.PostAsync(new Uri(Cache.Admin, "/api/v1/warm"), content);
        var text = await response.Content.ReadAsStringAsync();
        var ended = text.Split('\n', StringSplitOptions.RemoveEmptyEntries).SelectMany(line => JsonNode.Parse(line)!["ended"]!.AsArray()).Single()!;
        return ((string?)ended["status"], (string?)ended["error"]);
    }
}
