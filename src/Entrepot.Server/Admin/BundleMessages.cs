namespace Entrepot.Server.Admin;

/// <summary><c>POST /api/v1/bundles?hold=</c>: blobs that are to be read for a bundle.</summary>
/// <param name="Blobs">Their digests.</param>
internal sealed record HoldRequest(IReadOnlyList<string> Blobs);

/// <summary>They are not evicted while this answer is open.</summary>
/// <param name="Held">How many.</param>
/// <param name="Missing">Those that are not stored, or not any more.</param>
internal sealed record HoldBegun(int Held, IReadOnlyList<string> Missing);

/// <summary><c>POST /api/v1/bundles?set=</c>: what is to be imported.</summary>
/// <param name="Images">All images, each reference once.</param>
/// <param name="Blobs">What can be sent.</param>
/// <param name="Base">What is needed besides and cannot be sent: it has to be stored already.</param>
internal sealed record ImportPlan(IReadOnlyList<PlannedImage> Images, IReadOnlyList<PlannedBlob> Blobs, IReadOnlyList<PlannedBlob> Base);

/// <summary>An image of an import.</summary>
/// <param name="Reference">In full form, by tag or by digest.</param>
/// <param name="Digest">Its manifest.</param>
/// <param name="MediaType">That manifest's media type; empty if nobody says it.</param>
internal sealed record PlannedImage(string Reference, string Digest, string MediaType);

/// <summary>A blob of an import.</summary>
/// <param name="Digest">Its name.</param>
/// <param name="Size">Its bytes.</param>
internal sealed record PlannedBlob(string Digest, long Size);

/// <summary>An import has begun: room is set aside for it.</summary>
/// <param name="Import">What the requests that follow call it.</param>
/// <param name="Wanted">The blobs that are to be sent, in the order of the plan.</param>
/// <param name="Bytes">Their bytes.</param>
internal sealed record ImportBegun(string Import, IReadOnlyList<string> Wanted, long Bytes);

/// <summary><c>POST /api/v1/bundles?import=&amp;blob=</c>: a blob has arrived and is what its digest says.</summary>
/// <param name="Digest">Its name.</param>
/// <param name="Bytes">Its bytes.</param>
internal sealed record ImportStaged(string Digest, long Bytes);

/// <summary><c>POST /api/v1/bundles?import=&amp;commit=</c>: the images are visible. <c>DELETE /api/v1/bundles?import=</c>: nothing is kept of the import.</summary>
/// <param name="Set">The set.</param>
/// <param name="Images">Images that it has now.</param>
/// <param name="Removed">What it had before and has not any more, in full form.</param>
/// <param name="Freed">Bytes on disk that this freed.</param>
internal sealed record ImportDone(string Set, int Images, IReadOnlyList<string> Removed, long Freed);
