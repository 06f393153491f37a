using System.Buffers;
using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Entrepot.Oci;

/// <summary>The name of some bytes: <c>sha256:</c> and 64, or <c>sha512:</c> and 128, lower-case hex digits.</summary>
/// <remarks>
/// An immutable value (OCI image specification, "Digests"; the two registered algorithms). <c>default</c> names
/// nothing; only a failed parse hands it out. A sha256 digest takes no memory beside itself.
/// </remarks>
public readonly record struct Digest
{
    private const string Sha256 = "sha256";
    private const string Sha512 = "sha512";

    private readonly UInt128 _first;
    private readonly UInt128 _second;
    private readonly Tail? _tail;

    private Digest(ReadOnlySpan<byte> hash)
    {
        _first = BinaryPrimitives.ReadUInt128BigEndian(hash);
        _second = BinaryPrimitives.ReadUInt128BigEndian(hash[16..]);
        _tail = hash.Length == SHA512.HashSizeInBytes
            ? new Tail(BinaryPrimitives.ReadUInt128BigEndian(hash[32..]), BinaryPrimitives.ReadUInt128BigEndian(hash[48..]))
            : null;
    }

    /// <summary>The algorithm's registered name: <c>sha256</c> or <c>sha512</c>.</summary>
    public string Algorithm => _tail is null ? Sha256 : Sha512;

    /// <summary>The hash as lower-case hex: 64 or 128 digits.</summary>
    public string Hex => ToString()[(Sha256.Length + 1)..];

    /// <summary>The sha256 digest of some bytes.</summary>
    public static Digest Of(ReadOnlySpan<byte> content)
    {
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(content, hash);
        return new Digest(hash);
    }

    /// <summary>The digest whose hash is <paramref name="hash"/>: 32 bytes mean sha256, 64 mean sha512.</summary>
    /// <exception cref="ArgumentException">Another length.</exception>
    public static Digest FromHash(ReadOnlySpan<byte> hash) =>
        hash.Length is SHA256.HashSizeInBytes or SHA512.HashSizeInBytes
            ? new Digest(hash)
            : throw new ArgumentException($"a hash of {hash.Length} bytes is neither sha256 nor sha512", nameof(hash));

    /// <summary>Reads a digest; upper case is refused, not folded, since one blob with two spellings would be two files.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, out Digest digest)
    {
        digest = default;
        int size;
        if (text.StartsWith("sha256:", StringComparison.Ordinal)) size = SHA256.HashSizeInBytes;
        else if (text.StartsWith("sha512:", StringComparison.Ordinal)) size = SHA512.HashSizeInBytes;
        else return false;

        var hex = text[(Sha256.Length + 1)..];
        if (hex.Length != 2 * size || hex.ContainsAnyInRange('A', 'F')) return false;

        Span<byte> hash = stackalloc byte[SHA512.HashSizeInBytes];
        if (Convert.FromHexString(hex, hash, out _, out _) != OperationStatus.Done) return false;

        digest = new Digest(hash[..size]);
        return true;
    }

    /// <summary>Reads a digest that must be right: for literals and for text that was checked before.</summary>
    /// <exception cref="FormatException">It is not a digest.</exception>
    public static Digest Parse(string text) =>
        TryParse(text, out var digest) ? digest : throw new FormatException($"'{text}' is not a digest");

    /// <summary>An order of digests: those of sha256 by their hashes, then those of sha512.</summary>
    internal static int Compare(Digest one, Digest other)
    {
        if (one._tail is null != other._tail is null) return one._tail is null ? -1 : 1;
        var order = one._first.CompareTo(other._first);
        if (order == 0) order = one._second.CompareTo(other._second);
        if (order != 0 || one._tail is not { } tail) return order;
        order = tail.Third.CompareTo(other._tail!.Third);
        return order != 0 ? order : tail.Fourth.CompareTo(other._tail.Fourth);
    }

    /// <summary>A hash of this digest's algorithm, to be fed and compared with <see cref="FromHash"/>; the caller disposes it.</summary>
    public IncrementalHash NewHash() =>
        IncrementalHash.CreateHash(_tail is null ? HashAlgorithmName.SHA256 : HashAlgorithmName.SHA512);

    /// <summary>Whether this is the digest of <paramref name="content"/>.</summary>
    public bool Matches(ReadOnlySpan<byte> content)
    {
        Span<byte> hash = stackalloc byte[SHA512.HashSizeInBytes];
        var size = _tail is null ? SHA256.HashData(content, hash) : SHA512.HashData(content, hash);
        return new Digest(hash[..size]) == this;
    }

    /// <summary>The digest as the specification writes it: <c>algorithm:hex</c>.</summary>
    /// <remarks>Allocates the text and nothing else: every response names a digest.</remarks>
    public override string ToString() => string.Create(Sha256.Length + 1 + 2 * (_tail is null ? SHA256.HashSizeInBytes : SHA512.HashSizeInBytes), this, Write);

    private static void Write(Span<char> text, Digest digest)
    {
        Span<byte> hash = stackalloc byte[SHA512.HashSizeInBytes];
        BinaryPrimitives.WriteUInt128BigEndian(hash, digest._first);
        BinaryPrimitives.WriteUInt128BigEndian(hash[16..], digest._second);
        if (digest._tail is { } tail)
        {
            BinaryPrimitives.WriteUInt128BigEndian(hash[32..], tail.Third);
            BinaryPrimitives.WriteUInt128BigEndian(hash[48..], tail.Fourth);
        }

        digest.Algorithm.CopyTo(text);
        text[Sha256.Length] = ':';
        var hex = text[(Sha256.Length + 1)..];
        Convert.TryToHexStringLower(hash[..(hex.Length / 2)], hex, out _);
    }

    // The second half of a sha512 hash; on the heap, so that the usual digest stays small.
    private sealed record Tail(UInt128 Third, UInt128 Fourth);
}
