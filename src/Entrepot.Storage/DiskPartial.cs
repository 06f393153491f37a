using System.Buffers;
using System.Diagnostics;
using System.Security.Cryptography;
using Entrepot.Oci;
using Entrepot.Pull;
using Microsoft.Win32.SafeHandles;

namespace Entrepot.Storage;

/// <summary>A blob being written to a file under <c>partial/</c>.</summary>
/// <remarks>
/// <para>The hash runs over the bytes from the start that are there without a gap: from memory where they come in order, from the file where they do not. One at a
/// time has it: a writer whose bytes come next, or the task that catches up.</para>
/// <para>Which bytes there are is written beside the file now and then, after they were flushed, by one task at a time. So what a crash leaves can be gone on with.</para>
/// </remarks>
internal sealed class DiskPartial : IPartialBlob
{
    // What a blob of unknown size sets aside at a time: few steps for a large one, little too much for a small one.
    private const long Step = 16 << 20;

    // A crash costs what came in this time, or so many bytes if that is more. A blob that is there sooner is flushed once, at its end: each flush takes the disk, and of a
    // virtual machine the processors too, from what still comes (300 MB on two processors, flushed in 32 parts: a third more time).
    private static readonly TimeSpan SaveEvery = TimeSpan.FromSeconds(1);
    private const long SavedStep = 8 << 20;

    private const int HashBufferBytes = 1 << 20;

    // To have another thread write them takes longer than to hash them.
    private const int FewBytes = 32 << 10;

    private readonly DiskBlobStore _store;
    private readonly DiskSpace _space;
    private readonly Digest _digest;
    private readonly FillMode _fill;
    private readonly SharedFile _file;
    private readonly IncrementalHash _hash;
    private readonly SemaphoreSlim _reserving = new(1, 1);
    private readonly Lock _gate = new();
    private readonly Extents _written;   // guarded by _gate, like all below
    private Task _catchingUp = Task.CompletedTask;
    private Task _saving = Task.CompletedTask;
    private bool _isHashing;
    private long _hashed;
    private long _unsaved;
    private long _saved;                 // when the last saving began
    private long? _size;
    private string? _validator;
    private long _reserved;              // bytes on disk; changed by who holds _reserving
    private long _unannounced;           // bytes of them while nobody has said the size; one at a time writes then
    private bool? _isRight;
    private bool _isResting;
    private volatile bool _isLeaving;

    /// <param name="store">Where it is published.</param>
    /// <param name="space">Where its room comes from.</param>
    /// <param name="digest">The blob.</param>
    /// <param name="path">Where it is until it is published.</param>
    /// <param name="file">The file there; owned from here on.</param>
    /// <param name="fill">Whether all of it is to come.</param>
    public DiskPartial(DiskBlobStore store, DiskSpace space, Digest digest, string path, SharedFile file, FillMode fill)
    {
        (_store, _space, _digest, Path, _file, _fill, _saved) = (store, space, digest, path, file, fill, store.Clock.GetTimestamp());
        _hash = digest.NewHash();
        _written = new Extents();
    }

    /// <summary>Goes on with what was left.</summary>
    /// <param name="store">Where it is published.</param>
    /// <param name="space">Where its room comes from.</param>
    /// <param name="digest">The blob.</param>
    /// <param name="path">Where it is until it is published.</param>
    /// <param name="file">The file there; owned from here on.</param>
    /// <param name="fill">Whether all of it is to come.</param>
    /// <param name="left">What is there.</param>
    public DiskPartial(DiskBlobStore store, DiskSpace space, Digest digest, string path, SharedFile file, FillMode fill, PartialState left)
        : this(store, space, digest, path, file, fill)
    {
        Left = left;
        _written = new Extents(left.Written);
        (_size, _validator) = (left.Size, left.Validator);
        _reserved = Quota.OnDisk(left.Written.Total);
    }

    /// <summary>Where it is until it is published.</summary>
    public string Path { get; }

    /// <summary>The file; open until disposal.</summary>
    public SafeFileHandle File => _file.Handle;

    /// <summary>Whether the file has its blob's name, and its reservation has become that blob's.</summary>
    public bool IsPublished { get; set; }

    public PartialState? Left { get; }

    public Extents Written()
    {
        lock (_gate) return new Extents(_written);
    }

    public void Describe(long size, string? validator)
    {
        lock (_gate) (_size, _validator) = (size, validator);
        BeAnnounced();
    }

    public async ValueTask<bool> ReserveAsync(long size, CancellationToken cancel)
    {
        await _reserving.WaitAsync(cancel);
        try
        {
            var missing = Quota.OnDisk(size) - _reserved;
            if (missing <= 0) return true;
            if (!await _space.TryReserveAsync(missing, cancel)) return false;
            _reserved += missing;
            return true;
        }
        finally
        {
            _reserving.Release();
        }
    }

    public async ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, long offset, CancellationToken cancel)
    {
        var span = new ByteSpan(offset, offset + bytes.Length);
        bool isNext;
        long total;
        lock (_gate)
        {
            if (_isRight is not null) throw new InvalidOperationException("a verified blob does not grow");
            total = _written.Total + bytes.Length;
            isNext = !_isHashing && offset == _hashed;
            _isHashing |= isNext;
        }

        if (total > _reserved && !await GrowAsync(total, cancel)) throw new NoRoomException($"there is no room for more than {total - bytes.Length} bytes");

        if (bytes.Length <= FewBytes)
        {
            _store.Files.Write(_file.Handle, bytes.Span, offset);
            if (isNext) _hash.AppendData(bytes.Span);
        }
        else
        {
            // The write goes to the thread pool, so both run at once. It is not broken off: the hash has the bytes already.
            var write = _store.Files.WriteAsync(_file.Handle, bytes, offset);
            if (isNext) _hash.AppendData(bytes.Span);
            await write;
        }

        _space.Wrote(bytes.Length);
        lock (_gate)
        {
            Debug.Assert(span.Length == 0 || !_written.Covers(span), "no byte is written twice");
            _written.Add(span);
            _unsaved += bytes.Length;
            if (isNext) (_hashed, _isHashing) = (span.To, false);
            if (_fill is FillMode.Complete) CatchUpLocked();
            SaveLocked();
        }
    }

    public Blob OpenReader(long size) => new FileBlob(_file.Share(), _store.Cold, size);

    public async ValueTask<bool> VerifyAsync(CancellationToken cancel)
    {
        Task catchingUp;
        lock (_gate)
        {
            if (_isRight is { } known) return known;
            CatchUpLocked();
            catchingUp = _catchingUp;
        }

        await catchingUp.WaitAsync(cancel);
        lock (_gate) return (_isRight = _hashed == _written.Total && Digest.FromHash(_hash.GetHashAndReset()) == _digest).Value;
    }

    public async ValueTask CommitAsync(CancellationToken cancel)
    {
        if (_isRight is not true) throw new InvalidOperationException("only a verified blob can be committed");
        await _saving;

        cancel.ThrowIfCancellationRequested();
        await _store.Commits.CommitAsync(this, _digest, _written.Total, _reserved);
    }

    public async ValueTask<bool> RestAsync(CancellationToken cancel)
    {
        await SettledAsync();
        await Task.Run(
            () =>
            {
                if (TrySave()) _isResting = _store.TryRest(this, _digest, _written.Total, _reserved, _fill);
            },
            cancel);
        return _isResting;
    }

    public async ValueTask DisposeAsync()
    {
        await SettledAsync();
        BeAnnounced();
        if (!IsPublished && !_isResting)
        {
            _store.Discard(this);
            _space.Release(_reserved, _written.Total);
        }

        _hash.Dispose();
        _reserving.Dispose();
        _file.Release();
    }

    private async ValueTask<bool> GrowAsync(long total, CancellationToken cancel)
    {
        if (_size is not null) return await ReserveAsync(total + Step, cancel) || await ReserveAsync(total, cancel);

        var least = Quota.OnDisk(total) - _reserved;
        var claimed = _space.ClaimUnannounced(least, least + Step);
        _unannounced += claimed;
        if (await ReserveAsync(_reserved + claimed, cancel)) return true;
        _space.GiveBackUnannounced(claimed - least);
        _unannounced -= claimed - least;
        return await ReserveAsync(total, cancel);
    }

    private void BeAnnounced()
    {
        _space.GiveBackUnannounced(_unannounced);
        _unannounced = 0;
    }

    // No task of its own is at the file any more.
    private async ValueTask SettledAsync()
    {
        _isLeaving = true;
        await _catchingUp.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);   // whoever verifies is told
        await _saving;
    }

    private void CatchUpLocked()
    {
        if (_isHashing || _written.EndFrom(_hashed) == _hashed) return;
        _isHashing = true;
        _catchingUp = Task.Run(CatchUpAsync);
    }

    private async Task CatchUpAsync()
    {
        var buffer = ArrayPool<byte>.Shared.Rent(HashBufferBytes);
        try
        {
            while (true)
            {
                long from, to;
                lock (_gate)
                {
                    (from, to) = (_hashed, _written.EndFrom(_hashed));
                    _isHashing = to > from && !_isLeaving;
                    if (!_isHashing) return;
                }

                var count = await RandomAccess.ReadAsync(_file.Handle, buffer.AsMemory(0, (int)Math.Min(buffer.Length, to - from)), from);
                if (count == 0) throw new IOException($"the partial file ends at {from} bytes, where it was written up to {to}");
                _hash.AppendData(buffer, 0, count);
                lock (_gate) _hashed += count;
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private void SaveLocked()
    {
        if (_size is null || !_saving.IsCompleted || _unsaved < SavedStep || _store.Clock.GetElapsedTime(_saved) < SaveEvery) return;
        _saved = _store.Clock.GetTimestamp();
        _saving = Task.Run(TrySave);
    }

    // Bytes first, then what says that they are there. What cannot be saved costs no more than being fetched again.
    private bool TrySave()
    {
        PartialRecord record;
        lock (_gate)
        {
            if (_size is not { } size || _written.Total == 0) return false;
            record = new PartialRecord(new PartialState(size, _validator, new Extents(_written)), _fill);
            _unsaved = 0;
        }

        try
        {
            _store.Files.Flush(_file.Handle);
            record.Write(Path, _store.Files);
            return true;
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }
}
