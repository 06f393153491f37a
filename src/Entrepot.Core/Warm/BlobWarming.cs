using Entrepot.Oci;
using Entrepot.Pull;

namespace Entrepot.Warm;

/// <summary>Has one blob fetched and waits until it is stored, without taking its bytes. Used once.</summary>
internal sealed class BlobWarming(WarmParts parts, IUpstream upstream, Reference reference)
{
    // A blob that leaves for others before it is looked at does not fit beside them.
    private const int Tries = 3;

    private long _told;

    /// <summary>Bytes of the blob; 0 until it is stored.</summary>
    public long Size { get; private set; }

    /// <summary>Waits until it is stored.</summary>
    /// <param name="arrived">Told of bytes that have arrived, no more than it has.</param>
    /// <param name="cancel">Ends it; the fetch rests if it was begun for this alone.</param>
    /// <returns>Why it is not; <see langword="null"/> if it is.</returns>
    public async Task<string?> RunAsync(Action<long> arrived, CancellationToken cancel)
    {
        for (var i = 0; i < Tries;)
        {
            if (parts.Store.Contains(reference.Digest))
            {
                Size = parts.Index.FindBlob(reference.Digest)?.Size ?? _told;
                if (Size > _told) arrived(Size - _told);   // another one had it fetched
                return null;
            }

            var (fetch, started) = parts.Fetches.Join(reference, null, upstream);
            FollowResult end;
            try
            {
                end = await FollowAsync(fetch, arrived, cancel);
            }
            catch (OperationCanceledException) when (started)
            {
                fetch.Abandon();
                throw;
            }

            var isOther = !started && fetch.Leader.Repository != reference.Repository;   // another repository was refused, which says nothing of this one
            if (end.Kind is FollowKind.StoreFailed || (end.Kind is FollowKind.Failed && (!isOther || end.Error!.IsOutage))) return Told(end.Error!);
            if (end.Kind is FollowKind.Following) return "there is no room for it: see storage.quota and storage.minFree";
            if (end.Kind is FollowKind.Stored) i++;
        }

        return "it was stored and left again to make room for others: see storage.quota";
    }

    // Follows it as a reader would, so that it is filled from the front, and waits until it is durable.
    private async Task<FollowResult> FollowAsync(Fetch fetch, Action<long> arrived, CancellationToken cancel)
    {
        var follow = await fetch.FollowAsync(null, cancel);
        if (follow is not { Kind: FollowKind.Following, Blob: { } blob }) return follow;

        await using (blob)
        {
            if (fetch.IsPassing) return follow;
            try
            {
                for (var offset = 0L; offset < blob.Size;)
                {
                    (_, offset) = await blob.ArrivedAsync(offset, cancel);
                    if (offset > _told) arrived(offset - _told);
                    _told = Math.Max(_told, offset);
                }
            }
            catch (FetchFailedException failed)
            {
                return new FollowResult(FollowKind.Failed, Error: failed.Error);
            }
        }

        return await fetch.EndedAsync(cancel);
    }

    private static string Told(RegistryError error) => error.Detail is { } detail ? $"{error.Code}: {error.Message}: {detail}" : $"{error.Code}: {error.Message}";
}
