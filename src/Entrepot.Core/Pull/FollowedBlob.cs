namespace Entrepot.Pull;

/// <summary>A blob that is still arriving, as one follower sees it: a place in it, and a reader of what has arrived.</summary>
public sealed class FollowedBlob : Blob
{
    private readonly Fetch _fetch;
    private Blob _reader;
    private int _generation;

    internal FollowedBlob(Fetch fetch, Blob reader, int generation, long size) => (_fetch, _reader, _generation, Size) = (fetch, reader, generation, size);

    /// <inheritdoc/>
    public override long Size { get; }

    /// <summary>Whether the last bytes wait for verification: for every response that begins at the first byte (invariant 5).</summary>
    public bool HoldTail { get; internal set; } = true;

    /// <inheritdoc/>
    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, long offset, CancellationToken cancel)
    {
        if (offset == Size) return 0;
        var (end, reopened, generation) = await _fetch.PastAsync(offset, _generation, HoldTail, cancel);
        if (reopened is not null)
        {
            await _reader.DisposeAsync();
            (_reader, _generation) = (reopened, generation);
        }

        return await _reader.ReadAsync(buffer[..(int)Math.Min(buffer.Length, end - offset)], offset, cancel);
    }

    /// <inheritdoc/>
    public override async ValueTask DisposeAsync()
    {
        await _reader.DisposeAsync();
        await _fetch.UnfollowAsync();
    }
}
