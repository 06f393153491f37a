using Entrepot.Oci;

namespace Entrepot.Pull;

/// <summary>A blob that is still arriving, as one follower sees it: a place in it, and a reader of what has arrived.</summary>
public sealed class FollowedBlob : Blob
{
    private readonly Fetch _fetch;
    private Blob _reader;

    // A range that the blob does not have is one of nothing.
    internal FollowedBlob(Fetch fetch, Blob reader, long size, RangeRequest? range)
    {
        (_fetch, _reader, Size) = (fetch, reader, size);
        (From, To) = range is not { } wanted ? (0, size) : wanted.TryResolve(size, out var span) ? (span.From, span.To) : (size, size);
        Offset = From;
    }

    /// <inheritdoc/>
    public override long Size { get; }

    /// <summary>Whether the last bytes wait for verification: for every response that has all of them (invariant 5).</summary>
    internal bool HoldTail => From == 0 && To == Size;

    /// <summary>The first byte that it wants.</summary>
    internal long From { get; }

    /// <summary>The first byte that it does not want.</summary>
    internal long To { get; }

    /// <summary>Where it is. Guarded by the fetch's lock, like the following ones.</summary>
    internal long Offset { get; set; }

    /// <summary>The number of its wait, in the order in which all of them began; 0 while it does not wait.</summary>
    internal long WaitsSince { get; set; }

    /// <summary>The generation that its reader is of.</summary>
    internal int Generation { get; set; }

    /// <summary>Whether it has been given bytes.</summary>
    internal bool HasRead => Offset > From;

    /// <inheritdoc/>
    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, long offset, CancellationToken cancel)
    {
        if (offset == Size) return 0;
        var (reader, end) = await ArrivedAsync(offset, cancel);
        return await reader.ReadAsync(buffer[..(int)Math.Min(buffer.Length, end - offset)], offset, cancel);
    }

    /// <summary>Reads once more what it was given before.</summary>
    /// <exception cref="IOException">The disk does not give it.</exception>
    internal ValueTask<int> ReadBackAsync(Memory<byte> buffer, long offset, CancellationToken cancel) => _reader.ReadAsync(buffer, offset, cancel);

    /// <inheritdoc/>
    public override async ValueTask<(Blob At, long End)> ArrivedAsync(long offset, CancellationToken cancel)
    {
        var (end, reopened) = await _fetch.PastAsync(this, offset, cancel);
        if (reopened is not null)
        {
            await _reader.DisposeAsync();
            _reader = reopened;
        }

        return (_reader, end);
    }

    /// <inheritdoc/>
    public override async ValueTask DisposeAsync()
    {
        await _reader.DisposeAsync();
        await _fetch.UnfollowAsync(this);
    }
}
