using System.Buffers;
using System.Runtime.CompilerServices;
using Entrepot.Oci;
using Microsoft.Win32.SafeHandles;

namespace Entrepot.Server.Cli.Bundles;

/// <summary>Bytes of a file that lie together.</summary>
/// <param name="File">The file.</param>
/// <param name="Offset">Bytes from its start.</param>
/// <param name="Size">How many.</param>
internal readonly record struct Slice(string File, long Offset, long Size);

/// <summary>Where a blob's bytes are: in one piece or several, in files, or in memory if they were made here. Immutable.</summary>
internal sealed class BlobSource
{
    private const int BufferBytes = 1 << 20;

    private readonly byte[]? _made;
    private readonly IReadOnlyList<Slice> _slices;

    /// <summary>Bytes in files, one piece after the other.</summary>
    public BlobSource(params IReadOnlyList<Slice> slices) => (_slices, Size) = (slices, slices.Sum(slice => slice.Size));

    /// <summary>Bytes in memory.</summary>
    public BlobSource(byte[] made) => (_made, _slices, Size) = (made, [], made.Length);

    /// <summary>How many bytes it has.</summary>
    public long Size { get; }

    /// <summary>Where it begins: blobs are read in this order, so that each file is read from its start to its end.</summary>
    public (string File, long Offset) Start => _slices is [var first, ..] ? (first.File, first.Offset) : ("", 0);

    /// <summary>What messages call the place.</summary>
    public string Place => _slices.Count > 0 ? string.Join(" or ", _slices.Select(slice => $"'{slice.File}'").Distinct()) : "the archive";

    /// <summary>Reads all of it, in large pieces; each is of use until the next is read.</summary>
    /// <exception cref="ArchiveException">The file cannot be read.</exception>
    public async IAsyncEnumerable<ReadOnlyMemory<byte>> ReadAsync([EnumeratorCancellation] CancellationToken cancel)
    {
        if (_made is not null) yield return _made;
        if (_slices.Count == 0) yield break;
        var size = (int)Math.Min(BufferBytes, Size);
        var (buffer, next) = (ArrayPool<byte>.Shared.Rent(size), ArrayPool<byte>.Shared.Rent(size));
        var reading = Task.FromResult(0);
        try
        {
            foreach (var slice in _slices)
            {
                using var file = Open(slice.File);
                if (slice.Size > 0) reading = FillAsync(file, buffer, slice, 0, cancel);
                for (var done = 0L; done < slice.Size;)
                {
                    // The next piece is read while this one is used.
                    var count = await reading;
                    done += count;
                    (buffer, next) = (next, buffer);
                    if (done < slice.Size) reading = FillAsync(file, buffer, slice, done, cancel);
                    yield return next.AsMemory(0, count);
                }
            }
        }
        finally
        {
            // Whoever stops early leaves a read that goes on, into a buffer that is to be somebody else's.
            await ((Task)reading).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            ArrayPool<byte>.Shared.Return(buffer);
            ArrayPool<byte>.Shared.Return(next);
        }
    }

    /// <summary>Reads all of it at once.</summary>
    /// <exception cref="ArchiveException">The file cannot be read.</exception>
    public async Task<byte[]> ReadAllAsync(CancellationToken cancel)
    {
        using var all = new MemoryStream();
        await foreach (var piece in ReadAsync(cancel)) all.Write(piece.Span);
        return all.ToArray();
    }

    /// <summary>What its bytes are called, by the algorithm of <paramref name="like"/>.</summary>
    /// <exception cref="ArchiveException">The file cannot be read.</exception>
    public async Task<Digest> HashAsync(Digest like, Action<int> hashed, CancellationToken cancel)
    {
        using var hash = like.NewHash();
        await foreach (var piece in ReadAsync(cancel))
        {
            hash.AppendData(piece.Span);
            hashed(piece.Length);
        }

        return Digest.FromHash(hash.GetHashAndReset());
    }

    private static SafeFileHandle Open(string file)
    {
        try
        {
            return File.OpenHandle(file, options: FileOptions.SequentialScan);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            throw new ArchiveException($"'{file}' cannot be read: {Words.Line(fault.Message)}", fault);
        }
    }

    private static Task<int> FillAsync(SafeFileHandle file, byte[] buffer, Slice slice, long done, CancellationToken cancel) => Task.Run(
        () =>
        {
            try
            {
                var count = RandomAccess.Read(file, buffer.AsSpan(0, (int)Math.Min(buffer.Length, slice.Size - done)), slice.Offset + done);
                return count > 0 ? count : throw new ArchiveException($"'{slice.File}' has become shorter while it was read");
            }
            catch (IOException fault)
            {
                throw new ArchiveException($"'{slice.File}' cannot be read: {Words.Line(fault.Message)}", fault);
            }
        },
        cancel);
}
