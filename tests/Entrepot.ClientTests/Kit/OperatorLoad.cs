using System.Net;
using System.Text.Json.Nodes;
using Entrepot.ClientTests.Images;

namespace Entrepot.ClientTests.Kit;

/// <summary>Somebody who pulls small images and has them pinned or removed until the server is killed, and remembers what was acknowledged. Used by one at a time.</summary>
internal sealed class OperatorLoad
{
    private const int MostPins = 12;   // so that a small quota stays for others
    private const int LayerBytes = 20_000;

    private readonly List<TestImage> _pinned = [];
    private readonly List<TestImage> _removed = [];
    private int _made;

    /// <summary>Images whose pin was acknowledged.</summary>
    public int Pinned => _pinned.Count;

    /// <summary>Images whose removal was acknowledged. Nobody pulls them afterwards.</summary>
    public int Removed => _removed.Count;

    /// <summary>Works until the server is killed.</summary>
    /// <param name="scene">Where.</param>
    /// <param name="seed">Decides about the images' bytes.</param>
    /// <param name="isKilled">Whether the server may be dead: what is not answered then is no failure, and was not acknowledged.</param>
    /// <param name="wrong">Told of failures.</param>
    /// <param name="acknowledged">Told each time that the server has acknowledged something.</param>
    public async Task RunAsync(Scene scene, int seed, Func<bool> isKilled, Action<string> wrong, Action acknowledged)
    {
        var random = new Random(seed);
        while (!isKilled())
        {
            var name = $"library/own{_made++}";
            var image = ImageBuilder.Single(name, ImageBuilder.Platform(ImageFormat.Oci, TestImage.NativeArchitecture, Layer.Gzip(random.Next(), LayerBytes)));
            await scene.Registry.PushAsync(image);
            var pins = _pinned.Count < MostPins && _made % 2 == 0;
            try
            {
                await PullAsync(scene.Entrepot.Address, image);
                if (!await IsDoneAsync(scene.Entrepot.Admin, image, pins)) continue;
                (pins ? _pinned : _removed).Add(image);
                acknowledged();
            }
            catch (Exception e) when (e is HttpRequestException or IOException or System.Net.Sockets.SocketException)
            {
                if (!isKilled()) wrong($"{name}: {e.Message}");
            }
        }
    }

    /// <summary>Asserts that all that was acknowledged is so.</summary>
    public async Task AssertNothingLostAsync(PublishedEntrepot entrepot)
    {
        var listed = JsonNode.Parse(await Http.Client.GetStringAsync(new Uri(entrepot.Admin, "api/v1/images?ref=docker.io/library/own*")))!["images"]!.AsArray()
            .ToDictionary(image => (string)image!["repository"]!);
        foreach (var image in _removed) Assert.False(listed.ContainsKey(image.Repository), $"{image} was removed, and is back");
        foreach (var image in _pinned)
        {
            Assert.True(listed.TryGetValue(image.Repository, out var entry), $"{image} was pinned, and is gone");
            Assert.True((bool)entry!["pinned"]!, $"{image} is pinned no longer");
            Assert.True((bool)entry["complete"]!, $"{image} is pinned and not whole");
        }
    }

    private static async Task PullAsync(Uri server, TestImage image)
    {
        var manifest = await Http.Client.GetByteArrayAsync(new Uri(server, $"v2/{image.Repository}/manifests/{image.Tag}"));
        Assert.Equal(image.Root.Bytes, manifest);
        foreach (var blob in image.Native.Blobs)
            Assert.Equal(blob.Bytes, await Http.Client.GetByteArrayAsync(new Uri(server, $"v2/{image.Repository}/blobs/{blob.Digest}")));
    }

    // Whether the last line of the answer, which is read to its end, says so.
    private static async Task<bool> IsDoneAsync(Uri admin, TestImage image, bool pins)
    {
        var address = new Uri(admin, $"api/v1/{(pins ? "pins" : "images")}?ref=docker.io/{image.Repository}:{image.Tag}");
        using var request = new HttpRequestMessage(pins ? HttpMethod.Post : HttpMethod.Delete, address);
        using var answer = await Http.Client.SendAsync(request);
        var lines = (await answer.Content.ReadAsStringAsync()).Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        return answer.StatusCode == HttpStatusCode.OK && lines.Length > 0 && (string?)JsonNode.Parse(lines[^1])!["outcome"] == (pins ? "pinned" : "removed");
    }
}
