using System.Text.Json.Serialization;

namespace Entrepot.Server.Admin;

/// <summary><c>GET /api/v1/status</c>: how the appliance is, at one moment.</summary>
/// <param name="Version">The program's version.</param>
/// <param name="State"><c>ready</c>, <c>degraded</c> (the store fails) or <c>draining</c>.</param>
/// <param name="Uptime">Seconds since the start.</param>
/// <param name="Registry">Where the registry API answers.</param>
/// <param name="Storage">How full the store is.</param>
/// <param name="Requests">What has been answered since the start.</param>
/// <param name="Upstreams">Each configured upstream.</param>
/// <param name="Scrub">How the regular scrub is.</param>
/// <param name="Fetches">Blobs that are arriving: those that most wait for, and of which most is to come, first; then those that wait for their turn.</param>
/// <param name="Problems">What someone may have to act on, a sentence each; empty if all is well.</param>
internal sealed record StatusReport(
    string Version, string State, long Uptime, IReadOnlyList<string> Registry, StorageStatus Storage, RequestStatus Requests,
    IReadOnlyList<UpstreamStatus> Upstreams, ScrubStatus Scrub, IReadOnlyList<FetchStatus> Fetches, IReadOnlyList<string> Problems);

/// <summary>How full the store is. Bytes on disk.</summary>
/// <param name="Root">The directory, absolute.</param>
/// <param name="Blobs">Whole blobs in it.</param>
/// <param name="Partials">Blobs of which a part rests in it: a fetch was interrupted, or lazy clients read some of it.</param>
/// <param name="PartialBytes">Bytes of those parts.</param>
/// <param name="Bytes">Bytes of everything under the root.</param>
/// <param name="Reserved">Bytes set aside for what is arriving.</param>
/// <param name="Pinned">Bytes of blobs that are never evicted.</param>
/// <param name="Quota">Bytes that all of that may take.</param>
/// <param name="Free">Bytes free on the file system.</param>
internal sealed record StorageStatus(string Root, int Blobs, int Partials, long PartialBytes, long Bytes, long Reserved, long Pinned, long Quota, long Free);

/// <summary>How the regular scrub is.</summary>
/// <param name="State"><c>running</c>, <c>waiting</c> (for its time, or its turn) or <c>off</c>.</param>
/// <param name="Bytes">Bytes hashed since it began or was gone on with; 0 if none runs.</param>
/// <param name="TotalBytes">Bytes to hash in all; 0 if none runs.</param>
/// <param name="LastEnd">When one has last been through all; <see langword="null"/> while one is under way.</param>
/// <param name="Next">When the next one begins; <see langword="null"/> if one is due or runs, or none is wanted.</param>
internal sealed record ScrubStatus(string State, long Bytes, long TotalBytes, DateTimeOffset? LastEnd, DateTimeOffset? Next);

/// <summary>Pulls of manifests and blobs since the start.</summary>
/// <param name="Total">How many.</param>
/// <param name="Sources">How many by source, those that occurred.</param>
/// <param name="Bytes">Body bytes sent.</param>
/// <param name="HitBytes">Bytes of those that came from the store.</param>
internal sealed record RequestStatus(long Total, IReadOnlyDictionary<string, long> Sources, long Bytes, long HitBytes);

/// <summary>An upstream.</summary>
/// <param name="Name">Its name.</param>
/// <param name="State"><c>up</c>, <c>down</c> (out of reach when it was last asked), or <c>offline</c> (never asked).</param>
/// <param name="Urls">Where it is.</param>
/// <param name="RateLimit">Requests it allows in its period, of all accounts together; <see langword="null"/> if it has not said.</param>
/// <param name="RateLimitRemaining">Requests it says are left, of all accounts together; <see langword="null"/> if it has not said.</param>
/// <param name="Accounts">Of each account that has asked, what it has left; those that the upstream said nothing of are left out.</param>
internal sealed record UpstreamStatus(
    string Name, string State, IReadOnlyList<string> Urls, long? RateLimit, long? RateLimitRemaining, IReadOnlyList<AccountStatus> Accounts);

/// <summary>What an upstream said of one account's requests; what it did not say is <see langword="null"/>.</summary>
/// <param name="Account">Its name; <c>anonymous</c> for none, <c>dockerConfig</c> for that of a file of Docker's.</param>
/// <param name="Limit">Requests it has in a period.</param>
/// <param name="Remaining">Requests it has left.</param>
/// <param name="Window">The period, in seconds.</param>
/// <param name="Source">Whom the upstream counts them for: an address, or an account's number.</param>
/// <param name="LimitedFor">Seconds until it may ask again after a 429; <see langword="null"/> if it may now.</param>
internal sealed record AccountStatus(string Account, long? Limit, long? Remaining, long? Window, string? Source, long? LimitedFor);

/// <summary>A blob that is arriving.</summary>
/// <param name="Reference">What it was asked for as.</param>
/// <param name="State"><c>running</c>, <c>passing</c> (its bytes are not kept), or <c>waiting</c> (for its turn).</param>
/// <param name="Size">Bytes of the whole; <see langword="null"/> while it is not known.</param>
/// <param name="Arrived">Bytes that have arrived, those of earlier fetches among them.</param>
/// <param name="Rate">Bytes a second that arrived in the last seconds.</param>
/// <param name="Runs">Upstream requests that fill it.</param>
/// <param name="Followers">Responses that read it.</param>
internal sealed record FetchStatus(string Reference, string State, long? Size, long Arrived, long Rate, int Runs, int Followers);

/// <summary><c>GET /api/v1/images</c>: what is cached.</summary>
/// <param name="Images">By upstream, repository, first tag and digest, in ordinal order.</param>
internal sealed record ImageList(IReadOnlyList<ImageEntry> Images);

/// <summary>An image: what a tag points to, or a manifest that was pulled by digest and belongs to no other image of its repository.</summary>
/// <param name="Upstream">The upstream it came from.</param>
/// <param name="Repository">Its repository there.</param>
/// <param name="Tags">Tags that point to it, in ordinal order.</param>
/// <param name="Digest">Its manifest.</param>
/// <param name="MediaType">That manifest's media type.</param>
/// <param name="Size">Bytes of its blobs that are stored, manifests included, each once.</param>
/// <param name="Complete">Whether all is stored that at least one platform needs: its manifest, config and layers.</param>
/// <param name="Pinned">Whether it is never evicted.</param>
/// <param name="Set">The set of imported images that keeps it; of several the first in ordinal order; <see langword="null"/> if none does.</param>
/// <param name="LastPull">When its manifest was last used; <see langword="null"/> if it is not stored.</param>
/// <param name="Blobs">Its blobs that are stored, manifests included.</param>
/// <param name="Sets">All sets that keep it, in ordinal order.</param>
internal sealed record ImageEntry(
    string Upstream, string Repository, IReadOnlyList<string> Tags, string Digest, string MediaType, long Size, bool Complete, bool Pinned,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.Never)] string? Set,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.Never)] DateTimeOffset? LastPull, IReadOnlyList<string> Blobs, IReadOnlyList<string>? Sets = null);

/// <summary>What became of an image that <c>pins</c>, <c>images</c> (DELETE) or <c>refresh</c> was asked about: a line of the answer.</summary>
/// <param name="Reference">The image in full form.</param>
/// <param name="Outcome">
/// <c>pinned</c>, <c>unpinned</c>, <c>removed</c>; of a refresh <c>unchanged</c>, <c>moved</c>, <c>gone</c>, <c>failed</c>.
/// </param>
/// <param name="Digest">Its manifest now.</param>
/// <param name="Previous">Its manifest before it moved.</param>
/// <param name="Bytes">Bytes on disk that were freed, or that are pinned by it.</param>
/// <param name="Error">Why it failed.</param>
internal sealed record ImageOutcome(string Reference, string Outcome, string? Digest = null, string? Previous = null, long? Bytes = null, string? Error = null);

/// <summary>A line of <c>POST /api/v1/verify</c>; the last one has <paramref name="Done"/>.</summary>
/// <param name="Blobs">Blobs looked at so far.</param>
/// <param name="TotalBlobs">Blobs there were when it began.</param>
/// <param name="Bytes">Bytes hashed so far.</param>
/// <param name="TotalBytes">Bytes there were when it began.</param>
/// <param name="Unreadable">Of the blobs looked at, those that the disk did not give: nobody knows whether they are right, and they stay.</param>
/// <param name="Wrong">Digests found wrong since the line before (in the last line: all), which have been removed.</param>
/// <param name="Done">Whether it has ended.</param>
internal sealed record VerifyProgress(long Blobs, long TotalBlobs, long Bytes, long TotalBytes, long Unreadable, IReadOnlyList<string> Wrong, bool Done);

/// <summary><c>GET /api/v1/bundles</c>: what a bundle of stored images would have.</summary>
/// <param name="Images">The images that are all stored, and what refers to them, in no order.</param>
/// <param name="Blobs">All that they need, each once.</param>
/// <param name="Missing">What of the images that were asked for is not stored; empty if all is.</param>
/// <param name="Unasked">Images that are all stored, and whose upstream can be asked what refers to them, but was not.</param>
internal sealed record BundleOffer(
    IReadOnlyList<OfferedImage> Images, IReadOnlyList<OfferedBlob> Blobs, IReadOnlyList<MissingImage> Missing, IReadOnlyList<string> Unasked);

/// <summary>An image that a bundle can have.</summary>
/// <param name="Reference">The image in full form, by tag or digest.</param>
/// <param name="Digest">Its manifest.</param>
/// <param name="MediaType">That manifest's media type.</param>
/// <param name="Size">Bytes of that manifest.</param>
/// <param name="Platforms">Of an index, the platforms that are in it.</param>
/// <param name="ArtifactType">What it is, if it is no image.</param>
internal sealed record OfferedImage(string Reference, string Digest, string MediaType, long Size, IReadOnlyList<string> Platforms, string? ArtifactType);

/// <summary>A blob that a bundle can have.</summary>
/// <param name="Digest">Its name, by which <c>GET /api/v1/bundles?blob=</c> gives its bytes.</param>
/// <param name="Size">How many those are.</param>
/// <param name="Manifest">Whether it is a manifest.</param>
internal sealed record OfferedBlob(string Digest, long Size, bool Manifest);

/// <summary>An image that is not, or not all, stored.</summary>
/// <param name="Reference">The image or the pattern, as it was meant.</param>
/// <param name="What">What is missing of it.</param>
/// <param name="Offline">Whether nobody can be asked for it: it is a pattern, or its upstream is never asked.</param>
internal sealed record MissingImage(string Reference, string What, bool Offline);

/// <summary>What <c>bundle export --output json</c> prints at its end.</summary>
/// <param name="Contents">The bundle: the digest of its list of contents.</param>
/// <param name="Receipt">The receipt's file.</param>
/// <param name="Signature">The signature's file; <see langword="null"/> if it is not signed.</param>
/// <param name="Files">The bundle's files in order.</param>
/// <param name="Images">The images, in full form.</param>
/// <param name="Blobs">Blobs in it.</param>
/// <param name="Bytes">Bytes of those.</param>
/// <param name="BaseBlobs">Blobs that are left out, since the far side has them.</param>
/// <param name="BaseBytes">Bytes of those.</param>
internal sealed record ExportReport(
    string Contents, string Receipt, [property: JsonIgnore(Condition = JsonIgnoreCondition.Never)] string? Signature, IReadOnlyList<ExportedFile> Files,
    IReadOnlyList<string> Images, int Blobs, long Bytes, int BaseBlobs, long BaseBytes);

/// <summary>A file of a bundle.</summary>
/// <param name="Path">Where it is.</param>
/// <param name="Size">Its bytes.</param>
/// <param name="Digest">Their digest.</param>
internal sealed record ExportedFile(string Path, long Size, string Digest);

/// <summary>A request that was not done; every status from 400 on has one.</summary>
/// <param name="Error">What is wrong and what is allowed, one line.</param>
internal sealed record AdminError(string Error);

/// <summary>How the messages look as JSON: camel case, absent values left out, but for those the design lists.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(StatusReport))]
[JsonSerializable(typeof(ImageList))]
[JsonSerializable(typeof(ImageOutcome))]
[JsonSerializable(typeof(VerifyProgress))]
[JsonSerializable(typeof(ImportPlan))]
[JsonSerializable(typeof(ImportBegun))]
[JsonSerializable(typeof(ImportStaged))]
[JsonSerializable(typeof(ImportDone))]
[JsonSerializable(typeof(BundleOffer))]
[JsonSerializable(typeof(HoldRequest))]
[JsonSerializable(typeof(HoldBegun))]
[JsonSerializable(typeof(ExportReport))]
[JsonSerializable(typeof(AdminError))]
[JsonSerializable(typeof(WarmRequest))]
[JsonSerializable(typeof(WarmLine))]
[JsonSerializable(typeof(WarmDocument))]
internal sealed partial class AdminJson : JsonSerializerContext;
