using System.Buffers;
using System.IO.Pipelines;
using Entrepot.Oci;

namespace Entrepot.Pull;

/// <summary>What fills a <see cref="Fetch"/>: upstream requests, one after the other, until the blob is whole, right and durable.</summary>
/// <remarks>
/// Used once, by one task. Bytes are read from the upstream into a pipe of bounded size and written, hashed and announced by the pipe's other
/// end, so that neither waits for the other for long. Faults of the upstream and of the store end here, as values.
/// </remarks>
internal sealed class FetchRun(Fetch fetch, IUpstream upstream, IBlobStore store, TimeProvider clock)
{
    // Tries in a row that brought nothing new; the upstream has its own tries inside each of them.
    private const int FutileTries = 5;
    private const int BufferBytes = 64 << 10;

    // An upstream whose bytes keep changing is given up rather than followed for ever.
    private const int MaxGenerations = 4;
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(100);

    // An upstream that says when to come back is waited for, since clients have their headers and could not be told: in a row without
    // anything new at most this long altogether, which is what a body that brings nothing is given.
    private static readonly TimeSpan MostTold = TimeSpan.FromSeconds(15);

    // At most this much waits between the socket and the disk; a run never stops for less than a large write.
    private static readonly PipeOptions PipeLimits = new(
        pauseWriterThreshold: 2 << 20, resumeWriterThreshold: 1 << 20, minimumSegmentSize: BufferBytes, useSynchronizationContext: false);

    private readonly Digest _digest = fetch.Leader.Digest;
    private IPartialBlob _partial = null!;   // set before the first byte is asked for
    private string? _validator;
    private int _futile;
    private TimeSpan _told;
    private int _generations = 1;

    /// <summary>How often all bytes were there and wrong.</summary>
    public int VerifyFailures { get; private set; }

    /// <summary>Fetches the blob, unless it is in the store by now.</summary>
    /// <param name="cancel">Ends the fetch; only the owner of all fetches does that.</param>
    public async Task<FetchEnd> RunAsync(CancellationToken cancel)
    {
        try
        {
            // A fetch that ended between the request's miss and this one's start has left the table, and its blob is here.
            if (await store.OpenAsync(_digest, cancel) is { } stored)
            {
                await stored.DisposeAsync();
                return Ended(null);
            }

            fetch.Begin(_partial = await store.CreateAsync(_digest, cancel));
            if (await FillAsync(cancel) is { } error) return Ended(error);

            fetch.Verify();
            if (!fetch.IsPassing) await _partial.CommitAsync(cancel);
            return Ended(null);
        }
        catch (OperationCanceledException)
        {
            return Ended(RegistryError.Down("the cache is being stopped"));
        }
        catch (NobodyReadsException)
        {
            return Ended(RegistryError.Down("the blob is not kept, and nobody reads it any longer"));
        }
        catch (Exception fault)   // Every failure reaches the followers; none is lost in this task.
        {
            return Ended(RegistryError.StoreFault(fault.Message)) with { StoreFailed = true, Fault = fault };
        }
    }

    private FetchEnd Ended(RegistryError? error) => new(fetch.Leader, fetch.Arrived, error);

    // Returns null when all bytes are there and right.
    private async Task<RegistryError?> FillAsync(CancellationToken cancel)
    {
        var rebegun = false;
        var fromStart = false;
        while (true)
        {
            var before = _partial.Length;
            var offset = fromStart ? 0 : before;
            var opened = await upstream.OpenBlobAsync(fetch.Leader, offset, null, offset == 0 ? null : _validator, cancel);
            if (opened.Has(out var source, out var error))
            {
                (fromStart, error) = await TakeAsync(source, offset, cancel);
            }
            else if (!error.IsOutage || (before == 0 && fetch.Size is null))
            {
                return error;
            }

            if (fetch.Size is { } size && fetch.Arrived == size)
            {
                if (await _partial.VerifyAsync(cancel)) return null;

                // Bytes spoilt on the way are worth one more look; bytes that are wrong at the upstream are not.
                VerifyFailures++;
                if (rebegun || fetch.IsPassing) return RegistryError.BadGateway($"the bytes received are not those of {_digest}");
                rebegun = fromStart = true;
                continue;
            }

            if (_partial.Length - before >= BufferBytes) (_futile, _told) = (0, TimeSpan.Zero);
            if (++_futile >= FutileTries || _generations > MaxGenerations || PauseAfter(error) is not { } pause)
                return error ?? RegistryError.BadGateway("the blob ends before its announced size, however often it is asked for");
            if (!fromStart || source is null) await Task.Delay(pause, clock, cancel);
        }
    }

    // Returns null if the upstream wants to be left alone for longer than it is waited for.
    private TimeSpan? PauseAfter(RegistryError? error)
    {
        var pause = FirstPause * (1 << (_futile - 1));
        if (error?.RetryAfter is not { } told || told <= pause) return pause;

        _told += told;
        return _told <= MostTold ? told : null;
    }

    // Takes what one upstream request brings. Returns whether the next one is to ask from the start, and what went wrong, if not just the connection.
    private async Task<(bool FromStart, RegistryError? Error)> TakeAsync(UpstreamBlob source, long offset, CancellationToken cancel)
    {
        await using var _ = source;
        switch (FetchPlan.Continue(offset, fetch.Size, _validator, source))
        {
            case Continuation.AskFromStart:
                return (true, RegistryError.BadGateway("the blob changed at the upstream while it was fetched"));
            case Continuation.Compare:
                if (fetch.IsPassing && _partial.Length > 0) return (false, RegistryError.BadGateway("the upstream does not go on where its connection broke"));
                fetch.Distrust();
                if (source.Size is { } size && (fetch.Size is { } announced ? size != announced : size < _partial.Length)) await DivergeAsync(-1, size, cancel);
                break;
        }

        _validator = source.Validator;
        if (fetch.Size is null) fetch.Relay = source.Relay;
        if (source.Size is { } whole && fetch.Size is null)
        {
            await MakeRoomAsync(whole, cancel);
            fetch.Announce(whole);
        }

        var fault = await PumpAsync(source, cancel);

        // A comparison that was cut short confirms nothing behind the cut, so it begins again.
        var unconfirmed = fetch.Arrived < _partial.Length;
        if (fault is not null) return (unconfirmed, RegistryError.Down($"the connection to the upstream broke: {fault.Message}"));

        if (fetch.Size is null && !unconfirmed) fetch.Announce(_partial.Length);
        return (unconfirmed, fetch.Arrived == fetch.Size ? null : RegistryError.BadGateway("the blob ended before its announced size"));
    }

    // What does not fit passes through; nothing is evicted for it.
    private async Task MakeRoomAsync(long size, CancellationToken cancel)
    {
        if (await _partial.ReserveAsync(size, cancel)) return;
        if (_partial.Length > 0) throw new IOException($"there is no room for {size} bytes, which became known after the first of them");

        var passing = new PassingPartial(_digest, size);
        _partial = passing;
        if (fetch.Pass(passing) is { } begun) await begun.DisposeAsync();
    }

    // Returns the upstream's fault; the store's are thrown.
    private async Task<Exception?> PumpAsync(UpstreamBlob source, CancellationToken cancel)
    {
        var pipe = new Pipe(PipeLimits);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        var reading = ReadAsync(source.Content, pipe.Writer, stop.Token);
        try
        {
            // Ends with the last byte, not with the body: that may bring more, or never end.
            var position = source.Offset;
            while (position != fetch.Size)
            {
                var result = await pipe.Reader.ReadAsync(cancel);
                foreach (var segment in result.Buffer) position = await KeepAsync(segment, position, cancel);
                pipe.Reader.AdvanceTo(result.Buffer.End);
                if (result.IsCompleted) break;
            }
        }
        finally
        {
            await stop.CancelAsync();
            await pipe.Reader.CompleteAsync();
            await reading;
        }

        cancel.ThrowIfCancellationRequested();
        return await reading;
    }

    private static async Task<Exception?> ReadAsync(Stream content, PipeWriter pipe, CancellationToken cancel)
    {
        Exception? fault = null;
        try
        {
            while (true)
            {
                var count = await content.ReadAsync(pipe.GetMemory(BufferBytes), cancel);
                if (count == 0) break;
                pipe.Advance(count);
                if ((await pipe.FlushAsync(cancel)).IsCompleted) break;
            }
        }
        catch (Exception e)   // Whatever it is, the pipe has to be completed: its other end would wait for ever.
        {
            fault = e;
        }

        await pipe.CompleteAsync();
        return fault;
    }

    // Keeps bytes that lie at a position: compared where there are some already, appended after that. Returns the position behind them.
    private async ValueTask<long> KeepAsync(ReadOnlyMemory<byte> bytes, long position, CancellationToken cancel)
    {
        // More than was announced is not part of this blob; leaving it out lets the digest decide.
        if (fetch.Size is { } size) bytes = bytes[..(int)Math.Min(bytes.Length, size - position)];

        var known = (int)Math.Clamp(_partial.Length - position, 0, bytes.Length);
        if (known > 0)
        {
            var equal = await CompareAsync(bytes[..known], position, cancel);
            if (equal < known) await DivergeAsync(position + equal, fetch.Size, cancel);
            else fetch.Add(new ByteSpan(position, position + known));
            bytes = bytes[equal..];
            position += equal;
        }

        if (bytes.IsEmpty) return position;
        await _partial.WriteAsync(bytes, cancel);
        fetch.Add(new ByteSpan(position, position + bytes.Length));
        return position + bytes.Length;
    }

    // Returns how many of the bytes are those that have arrived before.
    private async ValueTask<int> CompareAsync(ReadOnlyMemory<byte> bytes, long position, CancellationToken cancel)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(BufferBytes);
        try
        {
            await using var reader = _partial.OpenReader(_partial.Length);
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

    // Begins a new generation: a new file, since pages that were served are never overwritten.
    private async Task DivergeAsync(long difference, long? size, CancellationToken cancel)
    {
        var partial = await store.CreateAsync(_digest, cancel);
        try
        {
            if (size is { } whole && !await partial.ReserveAsync(whole, cancel)) throw new IOException("there is no room for the blob once more, after it changed");
            await CopyAsync(_partial, partial, Math.Max(0, difference), cancel);
        }
        catch
        {
            await partial.DisposeAsync();
            throw;
        }

        _partial = partial;
        _generations++;
        fetch.Diverge(partial, difference, size);
    }

    private static async Task CopyAsync(IPartialBlob from, IPartialBlob to, long length, CancellationToken cancel)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(BufferBytes);
        try
        {
            await using var reader = from.OpenReader(from.Length);
            while (to.Length < length)
            {
                var count = await reader.ReadAsync(buffer.AsMemory(0, (int)Math.Min(BufferBytes, length - to.Length)), to.Length, cancel);
                await to.WriteAsync(buffer.AsMemory(0, count), cancel);
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }
}
