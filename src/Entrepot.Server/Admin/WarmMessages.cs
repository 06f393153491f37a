namespace Entrepot.Server.Admin;

/// <summary>The body of <c>POST /api/v1/warm</c>: what is to be in the store, and how.</summary>
/// <param name="Images">The images; at least one.</param>
/// <param name="Platforms">The platforms that are wanted of images that say none; none for all.</param>
/// <param name="Pin">Whether images that are whole then are pinned, and what belongs to them.</param>
/// <param name="Referrers">Whether what refers to them comes along: signatures, SBOMs, attestations.</param>
/// <param name="Parallel">Most blobs that are fetched at once, and most images that are worked on at once; <see langword="null"/> for the default.</param>
/// <param name="MissingOnly">Whether a tag whose manifest is stored means what it is known to mean, and its upstream is not asked.</param>
/// <param name="DryRun">Whether it is only found out what would be fetched.</param>
internal sealed record WarmRequest(
    IReadOnlyList<WarmRequestImage> Images, IReadOnlyList<string>? Platforms = null, bool Pin = false, bool Referrers = true, int? Parallel = null, bool MissingOnly = false,
    bool DryRun = false);

/// <summary>An image that is to be in the store.</summary>
/// <param name="Reference">By tag or by digest, in full or short as Docker has it.</param>
/// <param name="Platforms">The platforms that are wanted of it, such as <c>linux/amd64</c>; <see langword="null"/> or none for those of the request.</param>
internal sealed record WarmRequestImage(string Reference, IReadOnlyList<string>? Platforms = null);

/// <summary>A line of <c>POST /api/v1/warm</c>; the last one has <paramref name="Done"/>.</summary>
/// <param name="Images">Images that have ended so far.</param>
/// <param name="TotalImages">Images that are wanted, each once.</param>
/// <param name="Planned">Images of which it is known what has to be fetched, ended ones among them.</param>
/// <param name="Bytes">Bytes of blobs that have arrived so far.</param>
/// <param name="TotalBytes">Bytes of blobs that have to, as far as that is known.</param>
/// <param name="Running">Images that are worked on.</param>
/// <param name="Ended">Images that have ended since the line before, each once.</param>
/// <param name="Done">Whether all have.</param>
internal sealed record WarmLine(
    int Images, int TotalImages, int Planned, long Bytes, long TotalBytes, IReadOnlyList<WarmRunning> Running, IReadOnlyList<WarmEntry> Ended, bool Done);

/// <summary>An image that is worked on.</summary>
/// <param name="Reference">The image in full form.</param>
/// <param name="Bytes">Bytes of its blobs that have arrived.</param>
/// <param name="TotalBytes">Bytes of its blobs that have to; 0 while that is not known.</param>
internal sealed record WarmRunning(string Reference, long Bytes, long TotalBytes);

/// <summary>What came of an image.</summary>
/// <param name="Reference">The image in full form; as it was given if it has none.</param>
/// <param name="Status"><c>fetched</c>, <c>unchanged</c>, <c>failed</c>; of a dry run <c>planned</c>.</param>
/// <param name="Digest">Its manifest; absent if that did not become known.</param>
/// <param name="Bytes">Bytes of what was fetched, or would be, manifests included.</param>
/// <param name="Size">Bytes of all that was wanted of it, stored before or not.</param>
/// <param name="Requests">GETs of manifests, which a registry with a rate limit counts, that it took or would take.</param>
/// <param name="Error">Why it failed.</param>
internal sealed record WarmEntry(string Reference, string Status, string? Digest, long Bytes, long Size, int Requests, string? Error = null);
