using System.Text.Json;
using Entrepot.Oci;

namespace Entrepot.Bundles;

/// <summary>What the far side has, as documents from there or of earlier bundles tell: what a delta leaves out. Used by one task.</summary>
public sealed class SincePlan
{
    private readonly HashSet<Digest> _has = [];
    private readonly SortedSet<string> _documents = new(StringComparer.Ordinal);

    /// <summary>Adds a document; several mean that all of what they tell is over there.</summary>
    /// <param name="json">A receipt, or what <c>list --output json</c> answered there.</param>
    /// <returns>Everything that is wrong with it, each with where it stands; empty, with the document added, if nothing is.</returns>
    public IReadOnlyList<string> Add(ReadOnlyMemory<byte> json)
    {
        var reading = new StrictJson();
        using var document = reading.Open(json, BundleContents.MaxBytes);
        if (document is null) return reading.Problems;

        var has = new HashSet<Digest>();
        if (document.RootElement.TryGetProperty("contents", out _))
        {
            if (BundleReceipt.Read(json, out var problems) is not { } receipt) return problems;
            has.UnionWith(receipt.Blobs.Concat(receipt.Base).Select(blob => blob.Digest));
        }
        else if (document.RootElement.TryGetProperty("version", out _) || !document.RootElement.TryGetProperty("images", out _))
        {
            reading.Add("", "is neither the receipt of a bundle nor what 'entrepot list --output json' answers");
        }
        else
        {
            AddImages(reading, document.RootElement, has);
        }

        if (reading.Problems.Count > 0) return reading.Problems;
        _has.UnionWith(has);
        _documents.Add(Digest.Of(json.Span).ToString());
        return [];
    }

    /// <summary>What a bundle of these images has in it, and what it leaves out.</summary>
    /// <param name="images">The images; each reference once.</param>
    /// <param name="manifests">What of them are manifests.</param>
    /// <param name="blobs">All that they need.</param>
    public BundleContents Plan(IEnumerable<BundleImage> images, IReadOnlySet<Digest> manifests, IEnumerable<BundleBlob> blobs)
    {
        var ordered = blobs.DistinctBy(blob => blob.Digest).Select(blob => (blob.Digest, Name: blob.Digest.ToString(), Blob: blob))
            .OrderBy(one => one.Name, StringComparer.Ordinal).ToList();
        return new BundleContents(
            [.. images.OrderBy(image => image.Reference.ToString(), StringComparer.Ordinal)],
            [.. ordered.Where(one => !_has.Contains(one.Digest)).OrderBy(one => manifests.Contains(one.Digest) ? 0 : 1).Select(one => one.Blob)],
            [.. ordered.Where(one => _has.Contains(one.Digest)).Select(one => one.Blob)],
            [.. _documents.Select(Digest.Parse)]);
    }

    // What a newer appliance says besides is not of interest here.
    private static void AddImages(StrictJson reading, JsonElement root, HashSet<Digest> has)
    {
        reading.List(root, "images", "", BundleContents.MaxImages, (image, path) =>
        {
            if (!reading.IsObject(image, path)) return 0;
            reading.List(image, "blobs", path + '.', BundleContents.MaxBlobs, (blob, at) =>
            {
                if (Digest.TryParse(StrictJson.TextOf(blob), out var digest)) has.Add(digest);
                else reading.Add(at, "is not a digest");
                return 0;
            });
            return 0;
        });
    }
}
