using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Entrepot.Pull;

namespace Entrepot.Storage.Index;

/// <summary>What the table remembers of a digest: of its bytes, of its media type, or of both.</summary>
/// <param name="Size">Bytes.</param>
/// <param name="StoredTicks">When they were stored, UTC; 0 if the bytes are not known to be there.</param>
/// <param name="AccessTicks">When they were last used, UTC.</param>
/// <param name="MediaType">Number of the media type; 0 if it is not known as a manifest.</param>
[StructLayout(LayoutKind.Sequential)]
internal readonly record struct BlobRow(long Size, long StoredTicks, long AccessTicks, long MediaType)
{
    /// <summary>The record; <see langword="null"/> if the bytes are not known to be there.</summary>
    public BlobRecord? Record =>
        StoredTicks == 0 ? null : new BlobRecord(Size, new DateTimeOffset(StoredTicks, TimeSpan.Zero), new DateTimeOffset(AccessTicks, TimeSpan.Zero));

    /// <summary>The row that holds the second half of a sha512 hash instead.</summary>
    public static BlobRow OfTail(ReadOnlySpan<byte> half) => new(
        BinaryPrimitives.ReadInt64BigEndian(half),
        BinaryPrimitives.ReadInt64BigEndian(half[8..]),
        BinaryPrimitives.ReadInt64BigEndian(half[16..]),
        BinaryPrimitives.ReadInt64BigEndian(half[24..]));

    /// <summary>Writes the second half of a sha512 hash that <see cref="OfTail"/> made this from.</summary>
    public void WriteTail(Span<byte> half)
    {
        BinaryPrimitives.WriteInt64BigEndian(half, Size);
        BinaryPrimitives.WriteInt64BigEndian(half[8..], StoredTicks);
        BinaryPrimitives.WriteInt64BigEndian(half[16..], AccessTicks);
        BinaryPrimitives.WriteInt64BigEndian(half[24..], MediaType);
    }
}

/// <summary>A change of what is remembered of a digest.</summary>
internal readonly struct BlobChange : IRowChange<BlobRow>
{
    private readonly Kind _kind;
    private readonly BlobRow _row;

    private BlobChange(Kind kind, BlobRow row) => (_kind, _row) = (kind, row);

    private enum Kind { Store, Describe, Undescribe, Touch, Forget, Put }

    /// <summary>The bytes are there; a known media type stays.</summary>
    public static BlobChange Store(in BlobRecord record) =>
        new(Kind.Store, new BlobRow(record.Size, record.StoredAt.UtcTicks, record.LastAccess.UtcTicks, 0));

    /// <summary>The media type is known.</summary>
    public static BlobChange Describe(long mediaType) => new(Kind.Describe, new BlobRow(0, 0, 0, mediaType));

    /// <summary>The media type is not known any more.</summary>
    public static BlobChange Undescribe() => new(Kind.Undescribe, default);

    /// <summary>The bytes were used; time does not go back.</summary>
    public static BlobChange Touch(DateTimeOffset now) => new(Kind.Touch, new BlobRow(0, 0, now.UtcTicks, 0));

    /// <summary>The bytes are gone; a known media type stays.</summary>
    public static BlobChange Forget() => new(Kind.Forget, default);

    /// <summary>The row is this, whatever it was.</summary>
    public static BlobChange Put(in BlobRow row) => new(Kind.Put, row);

    public bool TryCreate(out BlobRow row)
    {
        row = _row;
        return _kind is Kind.Store or Kind.Describe or Kind.Put;
    }

    public bool TryApply(ref BlobRow row)
    {
        row = _kind switch
        {
            Kind.Store => _row with { MediaType = row.MediaType },
            Kind.Describe or Kind.Undescribe => row with { MediaType = _row.MediaType },
            Kind.Touch when row.StoredTicks != 0 => row with { AccessTicks = Math.Max(row.AccessTicks, _row.AccessTicks) },
            Kind.Touch => row,
            Kind.Forget => new BlobRow(0, 0, 0, row.MediaType),
            _ => _row,
        };
        return row.StoredTicks != 0 || row.MediaType != 0 || _kind is Kind.Put;
    }
}
