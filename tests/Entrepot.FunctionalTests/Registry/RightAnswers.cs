using System.Globalization;
using System.Text.Json.Nodes;
using Entrepot.Oci;

namespace Entrepot.FunctionalTests.Registry;

/// <summary>What a registry that keeps to the OCI distribution specification answers. Pure but for its content.</summary>
internal static class RightAnswers
{
    public static Reply Manifest(Content content, string repository, string target)
    {
        if (content.FindManifest(repository, target) is not { } manifest) return Reply.Error(404, "MANIFEST_UNKNOWN");
        return (new Reply(200) { Body = manifest.Bytes })
            .With("Content-Type", manifest.MediaType)
            .With("Docker-Content-Digest", manifest.Digest.ToString())
            .With("ETag", $"\"{manifest.Digest}\"");
    }

    public static Reply Blob(Content content, ReceivedRequest request, string target, bool ranges)
    {
        if (!Digest.TryParse(target, out var digest)) return Reply.Error(400, "DIGEST_INVALID");
        return content.FindBlob(digest) is { } bytes ? Blob(bytes, $"\"{digest}\"", request, target, ranges) : Reply.Error(404, "BLOB_UNKNOWN");
    }

    /// <summary>A blob of these bytes with this validator, or the part of it that is asked for.</summary>
    public static Reply Blob(byte[] bytes, string etag, ReceivedRequest request, string target, bool ranges)
    {
        var whole = (new Reply(200) { Body = bytes, Whole = bytes })
            .With("Content-Type", MediaTypes.Bytes)
            .With("Docker-Content-Digest", target)
            .With("Accept-Ranges", "bytes")
            .With("ETag", etag);
        if (!ranges || request.Header("Range") is not { } range) return whole;
        if (request.Header("If-Range") is { } validator && validator != etag) return whole;
        return Ranged(whole, range);
    }

    /// <summary>One page of tags, with a Link to the next.</summary>
    public static Reply Tags(Content content, ReceivedRequest request, string repository)
    {
        if (!content.HasRepository(repository)) return Reply.Error(404, "NAME_UNKNOWN");

        var after = request.QueryValue("last") ?? "";
        var rest = content.Tags(repository).Where(tag => string.CompareOrdinal(tag, after) > 0).ToList();
        var count = request.QueryValue("n") is { } n ? int.Parse(n, CultureInfo.InvariantCulture) : rest.Count;
        var page = rest.Take(count).ToList();
        var json = new JsonObject { ["name"] = repository, ["tags"] = new JsonArray([.. page.Select(tag => (JsonNode)tag)]) };
        var reply = Reply.Json(200, json.ToJsonString());
        return page.Count < rest.Count && page.Count > 0
            ? reply.With("Link", $"</v2/{repository}/tags/list?n={count}&last={page[^1]}>; rel=\"next\"")
            : reply;
    }

    public static Reply Referrers(Content content, ReceivedRequest request, string repository, string digest)
    {
        var all = content.ReferrersOf(repository, digest);
        var type = request.QueryValue("artifactType");
        var index = Content.IndexOf(all.Where(manifest => type is null || Content.ArtifactTypeOf(manifest) == type));
        var reply = new Reply(200).WithText(index.ToJsonString(), MediaTypes.OciIndex);
        return type is null ? reply : reply.With("OCI-Filters-Applied", "artifactType");
    }

    private static Reply Ranged(Reply whole, string range)
    {
        var size = whole.Body.Length;
        if (!range.StartsWith("bytes=", StringComparison.Ordinal) || range.Contains(',', StringComparison.Ordinal)) return whole;

        var (first, _, last) = range["bytes=".Length..].Partition('-');
        int start, end;
        if (first.Length == 0)
        {
            (start, end) = (Math.Max(0, size - Position(last)), size - 1);
        }
        else
        {
            start = Position(first);
            end = last.Length == 0 ? size - 1 : Math.Min(size - 1, Position(last));
        }

        if (start >= size || start > end)
            return Reply.Error(416, "RANGE_INVALID").With("Content-Range", string.Create(CultureInfo.InvariantCulture, $"bytes */{size}"));
        return Part(whole, start, end + 1);
    }

    // Behind the end of everything is far enough.
    private static int Position(string text) => (int)Math.Min(int.MaxValue, decimal.Parse(text, CultureInfo.InvariantCulture));

    /// <summary>A part of what a reply has whole.</summary>
    public static Reply Part(Reply whole, int from, int to) =>
        (whole with { Status = 206, Body = whole.Body[from..to], Offset = from })
            .With("Content-Range", string.Create(CultureInfo.InvariantCulture, $"bytes {from}-{to - 1}/{whole.Body.Length}"));
}
