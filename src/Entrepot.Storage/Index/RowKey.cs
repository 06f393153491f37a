using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using Entrepot.Oci;
using FASTER.core;

namespace Entrepot.Storage.Index;

/// <summary>What a key of a table names. The numbers are in files.</summary>
internal enum RowKind : long
{
    /// <summary>A blob by its sha256 digest: the whole hash.</summary>
    Sha256 = 1,

    /// <summary>A blob by its sha512 digest: the first half of the hash, which alone resists collisions as sha512/256 does.</summary>
    Sha512,

    /// <summary>Beside <see cref="Sha512"/>, the row that holds the second half of the hash.</summary>
    Sha512Tail,

    /// <summary>A tag, by the sha256 of its reference.</summary>
    Tag,

    /// <summary>A manifest in a repository, by the sha256 of its reference.</summary>
    Manifest,

    /// <summary>What refers to a manifest in a repository, by the sha256 of the manifest's reference.</summary>
    Referrers,
}

/// <summary>A key of fixed size: 32 bytes of a hash, and of what. An immutable value.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly record struct RowKey(ulong A, ulong B, ulong C, ulong D, RowKind Kind)
{
    private const int HashBytes = SHA256.HashSizeInBytes;
    private const int StackBytes = 1024;

    /// <summary>The key of a blob. Allocates nothing.</summary>
    public static RowKey Of(Digest digest)
    {
        var (first, second) = (First(ref digest), Second(ref digest));
        var kind = digest.Algorithm == "sha256" ? RowKind.Sha256 : RowKind.Sha512;
        return unchecked(new RowKey((ulong)(first >> 64), (ulong)first, (ulong)(second >> 64), (ulong)second, kind));
    }

    /// <summary>The key of a tag, or of a manifest in a repository. Allocates nothing for a tag of a usual length.</summary>
    public static RowKey Of(in Reference reference)
    {
        // A zero byte is in no name, so two references never give the same text.
        var target = reference.Target;
        var most = Encoding.UTF8.GetMaxByteCount(reference.Upstream.Length + reference.Repository.Length + target.Length + 2);
        var text = most <= StackBytes ? stackalloc byte[StackBytes] : new byte[most];
        var length = Encoding.UTF8.GetBytes(reference.Upstream, text);
        text[length++] = 0;
        length += Encoding.UTF8.GetBytes(reference.Repository, text[length..]);
        text[length++] = 0;
        length += Encoding.UTF8.GetBytes(target, text[length..]);

        Span<byte> hash = stackalloc byte[HashBytes];
        SHA256.HashData(text[..length], hash);
        return Of(hash, reference.IsTag ? RowKind.Tag : RowKind.Manifest);
    }

    /// <summary>The key of what refers to a manifest in a repository.</summary>
    public static RowKey OfReferrers(in Reference subject) => Of(subject) with { Kind = RowKind.Referrers };

    /// <summary>The key that the first 32 bytes of a hash make.</summary>
    public static RowKey Of(ReadOnlySpan<byte> hash, RowKind kind) => new(
        BinaryPrimitives.ReadUInt64BigEndian(hash),
        BinaryPrimitives.ReadUInt64BigEndian(hash[8..]),
        BinaryPrimitives.ReadUInt64BigEndian(hash[16..]),
        BinaryPrimitives.ReadUInt64BigEndian(hash[24..]),
        kind);

    /// <summary>Writes the 32 bytes of the hash.</summary>
    public void WriteHash(Span<byte> hash)
    {
        BinaryPrimitives.WriteUInt64BigEndian(hash, A);
        BinaryPrimitives.WriteUInt64BigEndian(hash[8..], B);
        BinaryPrimitives.WriteUInt64BigEndian(hash[16..], C);
        BinaryPrimitives.WriteUInt64BigEndian(hash[24..], D);
    }

    // Digest has no public way to its bytes that allocates nothing.
    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_first")]
    private static extern ref UInt128 First(ref Digest digest);

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_second")]
    private static extern ref UInt128 Second(ref Digest digest);
}

/// <summary>Compares keys. A cryptographic hash needs no hashing.</summary>
internal sealed class RowKeyComparer : IFasterEqualityComparer<RowKey>
{
    public long GetHashCode64(ref RowKey key) => unchecked((long)(key.A ^ (ulong)key.Kind));

    public bool Equals(ref RowKey one, ref RowKey other) => one == other;
}
