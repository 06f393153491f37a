using Entrepot.Oci;
using Entrepot.Pull;

namespace Entrepot.Server.Admin;

/// <summary>Checks the plan of an import, which somebody else has made. Pure.</summary>
internal static class ImportPlanReader
{
    // More than any disk holds, and few enough that sums cannot overflow.
    private const long MaxBlob = 1L << 48;

    /// <summary>Reads a plan.</summary>
    /// <param name="plan">As it came.</param>
    /// <param name="set">The set that its images are to make up.</param>
    /// <param name="routes">The configured upstreams: what is imported is only of use under the names of these.</param>
    /// <param name="contents">What is to be imported, if there is no objection.</param>
    /// <returns>What is wrong with it.</returns>
    public static Objection? Read(ImportPlan plan, string set, UpstreamRoutes routes, out ImportContents? contents)
    {
        contents = null;
        if (plan.Images is null or { Count: 0 } || plan.Blobs is null || plan.Base is null) return new(400, "the plan needs images, at least one, blobs and base");

        var images = new Dictionary<Reference, ImportedImage>();
        foreach (var (text, name, mediaType) in plan.Images)
        {
            if (ReferencePattern.Parse(text ?? "", routes, [], out var pattern) is { } objection) return objection with { Message = $"'{text}' cannot be imported: {objection.Message}" };
            if (pattern.Exact is not { } reference) return new(400, $"'{text}' is a pattern, not an image");
            if (!Digest.TryParse(name, out var digest)) return new(400, $"'{name}' is not a digest");
            if (!reference.IsTag && reference.Digest != digest) return new(400, $"{reference} cannot be {digest}");
            if (!images.TryAdd(reference, new ImportedImage(reference, digest, mediaType ?? ""))) return new(400, $"{reference} is in the plan twice");
        }

        if (ReadBlobs(plan.Blobs, out var blobs) is { } wrong) return wrong;
        if (ReadBlobs(plan.Base, out var needed) is { } wrongToo) return wrongToo;
        contents = new ImportContents(set, [.. images.Values], blobs, [.. needed.Select(blob => blob.Key)]);
        return null;
    }

    private static Objection? ReadBlobs(IReadOnlyList<PlannedBlob> planned, out IReadOnlyList<KeyValuePair<Digest, long>> blobs)
    {
        var read = new OrderedDictionary<Digest, long>(planned.Count);
        blobs = read;
        foreach (var (name, size) in planned)
        {
            if (!Digest.TryParse(name, out var digest)) return new(400, $"'{name}' is not a digest");
            if (size is < 0 or > MaxBlob) return new(400, $"{digest} cannot have {size} bytes");
            if (!read.TryAdd(digest, size)) return new(400, $"{digest} is in the plan twice");
        }

        return null;
    }
}
