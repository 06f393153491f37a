using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Entrepot.Oci;
using Entrepot.Pull;

namespace Entrepot.Storage.Index;

/// <summary>What the table remembers of a tag, of a manifest in a repository, or of what refers to one. Names are in the record log alone.</summary>
/// <remarks>A manifest has only a media type, <see cref="Line"/> and <see cref="Start"/>.</remarks>
[StructLayout(LayoutKind.Sequential)]
internal struct ReferenceRow
{
    /// <summary>Where in the record log the newest line about it begins, in bytes.</summary>
    public long Line;

    /// <summary>Which start of the program read or wrote that line.</summary>
    public long Start;

    /// <summary>Number of the manifest's media type.</summary>
    public int MediaType;

    /// <summary>Bytes of the hash that the tag's digest has; 0 for a manifest.</summary>
    public int HashBytes;

    /// <summary>Bytes of the manifest.</summary>
    public long Size;

    /// <summary>When the upstream last confirmed the tag, UTC.</summary>
    public long ValidatedTicks;

    private Hash _hash;   // of what a tag means, or of a list of referrers

    /// <summary>The digest that a tag means.</summary>
    public Digest Digest
    {
        readonly get => Digest.FromHash(((ReadOnlySpan<byte>)_hash)[..HashBytes]);
        set => HashBytes = Convert.FromHexString(value.Hex, _hash, out _, out var count) == System.Buffers.OperationStatus.Done
            ? count
            : throw new ArgumentException($"{value} is not a digest", nameof(value));
    }

    /// <summary>The row of a tag.</summary>
    public static ReferenceRow Of(TagRecord record, int mediaType, long line, long start) => new()
    {
        Line = line,
        Start = start,
        MediaType = mediaType,
        Size = record.Size,
        ValidatedTicks = record.ValidatedAt.UtcTicks,
        Digest = record.Digest,
    };

    /// <summary>The row of a list of referrers.</summary>
    public static ReferenceRow Of(ReferrersRecord record, long line, long start) => new()
    {
        Line = line,
        Start = start,
        ValidatedTicks = record.ValidatedAt.UtcTicks,
        Digest = record.List,
    };

    /// <summary>Whether both say the same of a tag, but for the time.</summary>
    public readonly bool MeansSame(in ReferenceRow other) =>
        MediaType == other.MediaType && Size == other.Size && HashBytes == other.HashBytes
        && ((ReadOnlySpan<byte>)_hash).SequenceEqual(other._hash);

    [InlineArray(64)]
    private struct Hash
    {
        private byte _first;
    }
}

/// <summary>A change of what is remembered of a reference.</summary>
internal readonly struct ReferenceChange : IRowChange<ReferenceRow>
{
    private readonly Kind _kind;
    private readonly ReferenceRow _row;

    private ReferenceChange(Kind kind, in ReferenceRow row) => (_kind, _row) = (kind, row);

    private enum Kind { Put, Validate, Remove }

    /// <summary>A line of the log says this. If it is no news, the later validation stays: it is not in the log.</summary>
    public static ReferenceChange Put(in ReferenceRow row) => new(Kind.Put, row);

    /// <summary>The upstream confirmed the tag, if it still means this.</summary>
    public static ReferenceChange Validate(in ReferenceRow row) => new(Kind.Validate, row);

    /// <summary>There is no such reference.</summary>
    public static ReferenceChange Remove() => new(Kind.Remove, default);

    public bool TryCreate(out ReferenceRow row)
    {
        row = _row;
        return _kind is Kind.Put;
    }

    public bool TryApply(ref ReferenceRow row)
    {
        switch (_kind)
        {
            case Kind.Put:
                var later = row.MeansSame(_row) ? Math.Max(row.ValidatedTicks, _row.ValidatedTicks) : _row.ValidatedTicks;
                row = _row;
                row.ValidatedTicks = later;
                return true;
            case Kind.Validate:
                if (row.MeansSame(_row)) row.ValidatedTicks = _row.ValidatedTicks;
                return true;
            default:
                return false;
        }
    }
}
