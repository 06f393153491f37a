using System.Net;
using System.Security.Cryptography;
using Entrepot.ClientTests.Kit;
using Misbehave = Entrepot.FunctionalTests.Registry.Misbehave;
using ReceivedRequest = Entrepot.FunctionalTests.Registry.ReceivedRequest;
using TestRegistry = Entrepot.FunctionalTests.Registry.TestRegistry;

namespace Entrepot.ClientTests.Chains;

/// <summary>Entrepot in front of another cache, and behind another server: each keeps digests, HEADs, ranges and errors right.</summary>
public sealed class ChainTests
{
    private static readonly string Tag = "manifests/" + Chain.Image.Tag;
    private static readonly Func<ReceivedRequest, bool> IsBlobGet = request => request is { Method: "GET", IsBlob: true };
    private static readonly string Layer = "blobs/" + Chain.Layer.Digest;

    [ClientTheory]
    [InlineData(Neighbour.Entrepot)]
    [InlineData(Neighbour.DockerRegistry)]
    [InlineData(Neighbour.Nginx)]
    public async Task RealClient_ColdAndWithTheOriginGone_GetsWhatWasPushed(Neighbour neighbour)
    {
        await using var chain = await Chain.StartAsync(neighbour);

        await chain.CopyAsync();

        // docker-registry asks for each blob twice: once for the client, once for itself.
        var times = neighbour is Neighbour.DockerRegistry ? 2 : 1;
        Assert.All(chain.Origin.Log.All.Where(request => request is { Method: "GET", IsBlob: true }).CountBy(request => request.Path), blob => Assert.Equal(times, blob.Value));
        await chain.Origin.DisposeAsync();

        await chain.CopyAsync();
    }

    [ClientTheory]
    [InlineData(Neighbour.Entrepot)]
    [InlineData(Neighbour.DockerRegistry)]
    [InlineData(Neighbour.Nginx)]
    public async Task Head_OfTagAndBlob_TellsDigestTypeAndSize(Neighbour neighbour)
    {
        await using var chain = await Chain.StartAsync(neighbour);

        foreach (var (path, content, mediaType) in new[] { (Tag, Chain.Image.Root, Chain.Image.Root.MediaType), (Layer, Chain.Layer, "application/octet-stream") })
        {
            var cold = await chain.AskAsync(HttpMethod.Head, path);
            Assert.Equal(content.Bytes, (await chain.AskAsync(HttpMethod.Get, path)).Body);
            var warm = await chain.AskAsync(HttpMethod.Head, path);

            foreach (var head in new[] { cold, warm })
            {
                Assert.Equal(HttpStatusCode.OK, head.Status);
                Assert.Equal((content.Digest, mediaType, $"{content.Bytes.Length}"), (head.Headers["Docker-Content-Digest"], head.Headers["Content-Type"], head.Headers["Content-Length"]));
            }
        }
    }

    [ClientTheory]
    [InlineData(Neighbour.Entrepot)]
    [InlineData(Neighbour.DockerRegistry)]
    [InlineData(Neighbour.Nginx)]
    public async Task Range_ColdAndStored_IsThatPart(Neighbour neighbour)
    {
        await using var chain = await Chain.StartAsync(neighbour);
        var size = Chain.Layer.Bytes.Length;

        foreach (var (from, to) in new[] { (100_000L, 100_099L), (size - 10L, size - 1L) })
        {
            var part = await chain.AskAsync(HttpMethod.Get, Layer, (from, to));
            Assert.Equal(HttpStatusCode.PartialContent, part.Status);
            Assert.Equal($"bytes {from}-{to}/{size}", part.Headers["Content-Range"]);
            Assert.Equal(Chain.Layer.Bytes[(int)from..(int)(to + 1)], part.Body);
        }

        var outside = await chain.AskAsync(HttpMethod.Get, Layer, (size, size + 1));
        Assert.Equal((HttpStatusCode.RequestedRangeNotSatisfiable, $"bytes */{size}"), (outside.Status, outside.Headers["Content-Range"]));
    }

    [ClientTheory]
    [InlineData(Neighbour.Entrepot, HttpStatusCode.NotFound, "MANIFEST_UNKNOWN")]
    [InlineData(Neighbour.Nginx, HttpStatusCode.NotFound, "MANIFEST_UNKNOWN")]
    [InlineData(Neighbour.DockerRegistry, HttpStatusCode.ServiceUnavailable, "UNAVAILABLE")]   // it answers 500, which may mean anything
    public async Task UnknownContent_IsToldAsTheNextServerTellsIt(Neighbour neighbour, HttpStatusCode manifest, string code)
    {
        await using var chain = await Chain.StartAsync(neighbour);

        var unknown = await chain.AskAsync(HttpMethod.Get, $"manifests/sha256:{new string('0', 64)}");
        var blob = await chain.AskAsync(HttpMethod.Get, $"blobs/sha256:{new string('0', 64)}");

        Assert.Equal((manifest, code), (unknown.Status, unknown.ErrorCode));
        Assert.Equal((HttpStatusCode.NotFound, "BLOB_UNKNOWN"), (blob.Status, blob.ErrorCode));
    }

    [ClientTheory]
    [InlineData(Neighbour.Entrepot)]
    [InlineData(Neighbour.DockerRegistry)]
    [InlineData(Neighbour.Nginx)]
    public async Task UnknownContent_OriginGone_IsAnOutageAndNot404(Neighbour neighbour)
    {
        await using var chain = await Chain.StartAsync(neighbour);
        await chain.Origin.DisposeAsync();

        // By digest: an unknown tag docker-registry calls unknown also while it cannot know.
        var manifest = await chain.AskAsync(HttpMethod.Get, $"manifests/{Chain.Image.Root.Digest}");

        Assert.Equal((HttpStatusCode.ServiceUnavailable, "UNAVAILABLE"), (manifest.Status, manifest.ErrorCode));
        Assert.True(manifest.Headers.ContainsKey("Retry-After"));
    }

    // The server beside the appliance has to give up before the origin comes to its senses, so that the appliance is cut off too.
    [ClientTheory]
    [InlineData(Neighbour.Entrepot, 4)]
    [InlineData(Neighbour.DockerRegistry, 1)]   // for its own copy, after the client's
    [InlineData(Neighbour.Nginx, 1)]
    public async Task Blob_CutInTheMiddle_IsNeverCleanlyWrongAndRightAfterwards(Neighbour neighbour, int more)
    {
        await using var chain = await Chain.StartAsync(neighbour);
        chain.Origin.On(IsBlobGet, Misbehave.Cut(300_000)).On(IsBlobGet, Misbehave.Cut(0), more);

        var cold = await chain.AskAsync(HttpMethod.Get, Layer);
        await Eventually.TrueAsync(async () => (await chain.AskAsync(HttpMethod.Get, Layer)).Headers["Cache-Status"] == "Entrepot; hit");
        await chain.Origin.DisposeAsync();
        var warm = await chain.AskAsync(HttpMethod.Get, Layer);
        var part = await chain.AskAsync(HttpMethod.Get, Layer, (299_990, 300_009));
        var head = await chain.AskAsync(HttpMethod.Head, Layer);

        // docker-registry goes on with the text of an error, as if that were of the blob: who has been given it cannot have the blob any more.
        if (neighbour is not Neighbour.DockerRegistry) Assert.True(cold.IsWhole);
        foreach (var whole in new[] { cold, warm }.Where(answer => answer.IsWhole)) Assert.Equal(Chain.Layer.Digest, $"sha256:{Convert.ToHexStringLower(SHA256.HashData(whole.Body))}");
        Assert.True(warm.IsWhole);
        Assert.Equal(Chain.Layer.Bytes[299_990..300_010], part.Body);
        Assert.Equal((HttpStatusCode.OK, $"{Chain.Layer.Bytes.Length}"), (head.Status, head.Headers["Content-Length"]));
    }

    [ClientTheory]
    [InlineData(Neighbour.Entrepot)]
    [InlineData(Neighbour.DockerRegistry)]
    [InlineData(Neighbour.Nginx)]
    public async Task Blob_CutAndThenGone_NeverEndsCleanly(Neighbour neighbour)
    {
        await using var chain = await Chain.StartAsync(neighbour);
        chain.Origin.On(IsBlobGet, Misbehave.Cut(300_000)).On(request => request.IsBlob, Misbehave.Status(503), TestRegistry.Always);

        var answer = await chain.AskAsync(HttpMethod.Get, Layer);

        Assert.False(answer.Status == HttpStatusCode.OK && answer.IsWhole);
    }

    [ClientTheory]
    [InlineData(Neighbour.Entrepot, 401, "UNAUTHORIZED")]
    [InlineData(Neighbour.Entrepot, 403, "DENIED")]
    [InlineData(Neighbour.Entrepot, 429, "TOOMANYREQUESTS")]
    [InlineData(Neighbour.Entrepot, 503, "UNAVAILABLE")]
    [InlineData(Neighbour.Nginx, 403, "DENIED")]
    [InlineData(Neighbour.Nginx, 429, "TOOMANYREQUESTS")]
    [InlineData(Neighbour.Nginx, 503, "UNAVAILABLE")]
    public async Task Refusal_OfTheOrigin_KeepsItsCodeAndItsRetryAfter(Neighbour neighbour, int status, string code)
    {
        await using var chain = await Chain.StartAsync(neighbour);
        chain.Origin.On(_ => true, Misbehave.Status(status, "Retry-After", "17"), TestRegistry.Always);

        foreach (var path in new[] { Tag, "manifests/" + Chain.Image.Root.Digest, Layer })
        {
            var (got, head) = (await chain.AskAsync(HttpMethod.Get, path), await chain.AskAsync(HttpMethod.Head, path));
            Assert.Equal(((HttpStatusCode)status, code, (HttpStatusCode)status), (got.Status, got.ErrorCode, head.Status));
            if (status is 429) Assert.Equal(("17", "17"), (got.Headers["Retry-After"], head.Headers["Retry-After"]));
        }
    }

    [ClientTheory]
    [InlineData(Neighbour.Entrepot, "Entrepot; fwd=miss; stored, Entrepot; fwd=miss; stored")]
    [InlineData(Neighbour.Nginx, "Entrepot; fwd=miss; stored")]
    public async Task CacheStatus_IsThatOfEachApplianceThatTheAnswerCameThrough(Neighbour neighbour, string fetched)
    {
        await using var chain = await Chain.StartAsync(neighbour);

        var cold = await chain.AskAsync(HttpMethod.Get, Layer);
        await Eventually.TrueAsync(async () => (await chain.AskAsync(HttpMethod.Get, Layer)).Headers.ContainsKey("Age"));
        var warm = await chain.AskAsync(HttpMethod.Get, Layer);

        Assert.Equal(fetched, cold.Headers["Cache-Status"]);
        Assert.Equal("Entrepot; hit", warm.Headers["Cache-Status"]);
        Assert.InRange(int.Parse(warm.Headers["Age"], System.Globalization.CultureInfo.InvariantCulture), 0, 60);
    }
}
