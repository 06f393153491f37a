using System.Buffers;
using Entrepot.Oci;

namespace Entrepot.Pull;

/// <summary>Where a fetch's bytes go: the partial blob of the present generation, and what its bytes came with.</summary>
/// <remarks>
/// Several runs write to the partial blob at once, each in its own claim. All else is called by one at a time: by the fill while no run is active, by the run that
/// compares, which is alone, or by the first run, which is alone until the size is known.
/// </remarks>
internal sealed class FetchTarget(Fetch fetch, IBlobStore store)
{
    private const int BufferBytes = 64 << 10;

    private readonly Digest _digest = fetch.Leader.Digest;
    private readonly Lock _gate = new();
    private readonly HashSet<string> _origins = [];         // guarded by _gate
    private IReadOnlyCollection<string> _distrusted = [];   // guarded by _gate; replaced as a whole
    private bool _isSound = true;   // no byte of the partial blob is in doubt

    /// <summary>The present generation's bytes.</summary>
    public IPartialBlob Partial { get; private set; } = null!;   // set by OpenAsync, before anything else

    /// <summary>What the upstream sent with them; <see langword="null"/> if nothing.</summary>
    public string? Validator { get; private set; }

    /// <summary>Generations begun.</summary>
    public int Generations { get; private set; } = 1;

    /// <summary>Whether what is there may be gone on with later: some of it is known, and none of it is in doubt.</summary>
    public bool CanRest => _isSound && !fetch.IsPassing && Generations == 1 && fetch is { Size: not null, Arrived: > 0 };

    /// <summary>Begins the first generation, with what an earlier fetch has left.</summary>
    /// <returns><see langword="null"/>, or how the fetch ends because there is no room for the rest.</returns>
    public async Task<RegistryError?> OpenAsync(CancellationToken cancel)
    {
        Partial = await store.CreateAsync(_digest, fetch.Rules.Fill, cancel);
        fetch.Begin(Partial);
        if (Partial.Left is not { } left) return null;

        Validator = left.Validator;
        return await MakeRoomAsync(left.Size, left.Written.Total, cancel) ? null : NoRoom(left.Size);
    }

    /// <summary>The size is known, or not told: makes room for it, and lets followers begin. What does not fit passes through; nothing is evicted for it.</summary>
    /// <param name="size">Bytes of the whole; <see langword="null"/> if the upstream does not say.</param>
    /// <param name="source">What brings the first bytes, if that is how it is known.</param>
    /// <param name="cancel">Ends it.</param>
    public async Task ConfirmAsync(long? size, UpstreamBlob? source, CancellationToken cancel)
    {
        Validator ??= source?.Validator;
        if (size is { } whole && !fetch.IsPassing)
        {
            if (fetch.Size is null && !await MakeRoomAsync(whole, fetch.Claimed, cancel))
            {
                if (fetch.Arrived > 0) throw new IOException(NoRoom(whole).Detail);
                var passing = new PassingPartial(_digest, whole);
                Partial = passing;
                if (fetch.Pass(passing) is { } begun) await begun.DisposeAsync();
            }
            else
            {
                Partial.Describe(whole, Validator);
            }
        }

        fetch.Confirm(size, source?.Relay);
    }

    /// <summary>Makes room for what active runs are to bring, where only that is kept.</summary>
    /// <exception cref="IOException">There is none.</exception>
    public async Task MakeRoomAsync(CancellationToken cancel)
    {
        if (fetch.Rules.Fill is FillMode.Touched && fetch.Size is { } size && !fetch.IsPassing && !await MakeRoomAsync(size, fetch.Claimed, cancel))
            throw new IOException(NoRoom(fetch.Claimed).Detail);
    }

    /// <summary>From here on a run compares all from the start. What it has not confirmed yet is in doubt.</summary>
    /// <param name="source">What it brings.</param>
    /// <param name="cancel">Ends it.</param>
    public async Task DoubtAsync(UpstreamBlob source, CancellationToken cancel)
    {
        _isSound = false;
        Validator = source.Validator;
        if (source.Size is not { } size) return;
        if (fetch.Size is { } announced ? size != announced : size < Partial.Written().EndFrom(0)) await DivergeAsync(-1, size, cancel);
    }

    /// <summary>Whether there are bytes that a comparison has not come to.</summary>
    public bool HasDoubts => !_isSound && Partial.Written().Total > fetch.Arrived;

    /// <summary>A comparison has confirmed all there is.</summary>
    public void Trust()
    {
        _isSound = true;
        if (fetch.Size is { } size) Partial.Describe(size, Validator);
    }

    /// <summary>Origins of bytes that were wrong.</summary>
    public IReadOnlyCollection<string> Distrusted
    {
        get { lock (_gate) return _distrusted; }
    }

    /// <summary>A run brings bytes from there; <see langword="null"/> if the upstream has one origin only.</summary>
    public void CameFrom(string? origin)
    {
        if (origin is null) return;
        lock (_gate) _origins.Add(origin);
    }

    /// <summary>All is there, and it is wrong. Only a comparison can say that some of it is not. Wherever it came from is asked last from now on.</summary>
    /// <returns>Whether some of that had been trusted until now, so that others may have right bytes.</returns>
    public bool Spoil()
    {
        _isSound = false;
        lock (_gate)
        {
            var isNew = !_origins.IsSubsetOf(_distrusted);
            _distrusted = [.. _distrusted.Union(_origins)];
            _origins.Clear();
            return isNew;
        }
    }

    /// <summary>Keeps bytes that a run brings next.</summary>
    /// <param name="run">The run; its claim takes all of the bytes.</param>
    /// <param name="bytes">The bytes.</param>
    /// <param name="compares">Whether some of them may be there already: then they are compared.</param>
    /// <param name="hasMore">Whether others are at hand.</param>
    /// <param name="cancel">Ends a comparison. A write is not broken off in its middle.</param>
    public async ValueTask KeepAsync(Run run, ReadOnlyMemory<byte> bytes, bool compares, bool hasMore, CancellationToken cancel)
    {
        if (!compares)
        {
            await Partial.WriteAsync(bytes, run.Position, cancel);
            fetch.Add(run, bytes.Length, hasMore);
            return;
        }

        while (!bytes.IsEmpty)
        {
            var written = Partial.Written();
            var known = (int)Math.Min(bytes.Length, written.EndFrom(run.Position) - run.Position);
            if (known == 0)
            {
                var missing = bytes[..(int)Math.Min(bytes.Length, written.FirstGap(run.Position, long.MaxValue)!.Value.Length)];
                await KeepAsync(run, missing, compares: false, hasMore, cancel);
                bytes = bytes[missing.Length..];
                continue;
            }

            var equal = await CompareAsync(bytes[..known], run.Position, cancel);
            if (equal == known) fetch.Add(run, known, hasMore);
            else await DivergeAsync(run.Position + equal, fetch.Size, cancel);
            bytes = bytes[equal..];
        }
    }

    private async Task<bool> MakeRoomAsync(long size, long claimed, CancellationToken cancel) =>
        await Partial.ReserveAsync(fetch.Rules.Fill is FillMode.Complete || fetch.WantsAll ? size : Math.Min(size, claimed), cancel);

    private static RegistryError NoRoom(long size) => RegistryError.StoreFault($"there is no room for {size} bytes");

    // Returns how many of the bytes are those that have arrived before.
    private async ValueTask<int> CompareAsync(ReadOnlyMemory<byte> bytes, long position, CancellationToken cancel)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(BufferBytes);
        try
        {
            await using var reader = Partial.OpenReader(position + bytes.Length);
            for (var done = 0; done < bytes.Length;)
            {
                var count = await reader.ReadAsync(buffer.AsMemory(0, Math.Min(BufferBytes, bytes.Length - done)), position + done, cancel);
                var same = buffer.AsSpan(0, count).CommonPrefixLength(bytes.Span.Slice(done, count));
                done += same;
                if (same < count) return done;
            }

            return bytes.Length;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    // Begins a new generation: a new file, since pages that were served are never overwritten. All before the difference has been confirmed.
    private async Task DivergeAsync(long difference, long? size, CancellationToken cancel)
    {
        var partial = await store.CreateAsync(_digest, FillMode.Complete, cancel);
        try
        {
            if (size is { } whole && !await partial.ReserveAsync(whole, cancel)) throw new IOException("there is no room for the blob once more, after it changed");
            await CopyAsync(Partial, partial, Math.Max(0, difference), cancel);
        }
        catch
        {
            await partial.DisposeAsync();
            throw;
        }

        Partial = partial;
        Generations++;
        fetch.Diverge(partial, difference, size);
    }

    private static async Task CopyAsync(IPartialBlob from, IPartialBlob to, long length, CancellationToken cancel)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(BufferBytes);
        try
        {
            await using var reader = from.OpenReader(length);
            for (var done = 0L; done < length;)
            {
                var count = await reader.ReadAsync(buffer.AsMemory(0, (int)Math.Min(BufferBytes, length - done)), done, cancel);
                await to.WriteAsync(buffer.AsMemory(0, count), done, cancel);
                done += count;
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }
}
