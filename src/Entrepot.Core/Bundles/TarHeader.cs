using System.Globalization;
using System.Text;

namespace Entrepot.Bundles;

/// <summary>What stands before a member of an archive (POSIX.1-2017, "pax", "ustar Interchange Format"). Pure.</summary>
/// <remarks>
/// A name and a size give one form of header: no time, no owner, one mode. The library's writer has no such promise, and cannot go on in the middle of an archive.
/// </remarks>
public static class TarHeader
{
    /// <summary>Everything in an archive takes a multiple of so many bytes.</summary>
    public const int BlockBytes = 512;

    /// <summary>Zeros that end an archive.</summary>
    public const int EndBytes = 2 * BlockBytes;

    private const int NameBytes = 100;
    private const long MaxPlainSize = (1L << 33) - 1;   // eleven octal digits

    /// <summary>Bytes that a member takes: its header, its content and what fills the last block.</summary>
    public static long MemberBytes(string name, long size) => HeaderBytes(name, size) + Padded(size);

    /// <summary>Bytes of a member's header.</summary>
    public static int HeaderBytes(string name, long size) => Records(name, size).Length is 0 ? BlockBytes : 2 * BlockBytes + (int)Padded(Records(name, size).Length);

    /// <summary>Bytes of a content with what fills its last block.</summary>
    public static long Padded(long size) => (size + BlockBytes - 1) / BlockBytes * BlockBytes;

    /// <summary>The header of a file.</summary>
    /// <param name="name">Its name: ASCII, as everything in a bundle has it.</param>
    /// <param name="size">Bytes of its content.</param>
    public static byte[] Of(string name, long size)
    {
        var records = Records(name, size);
        var header = new byte[HeaderBytes(name, size)];
        var last = header.AsSpan(header.Length - BlockBytes);
        if (records.Length > 0)
        {
            Write(header.AsSpan(0, BlockBytes), "PaxHeaders/" + name[^Math.Min(name.Length, 64)..], records.Length, 'x');
            records.CopyTo(header, BlockBytes);
        }

        Write(last, name[..Math.Min(name.Length, NameBytes)], size <= MaxPlainSize ? size : 0, '0');
        return header;
    }

    // What does not fit into the old header stands in records before it: "LENGTH key=value\n".
    private static byte[] Records(string name, long size)
    {
        var records = "";
        if (name.Length > NameBytes) records += Record("path", name);
        if (size > MaxPlainSize) records += Record("size", size.ToString(CultureInfo.InvariantCulture));
        return Encoding.ASCII.GetBytes(records);
    }

    // The length counts its own digits.
    private static string Record(string key, string value)
    {
        var rest = $" {key}={value}\n";
        var length = rest.Length + 1;
        while (Digits(length) + rest.Length != length) length = Digits(length) + rest.Length;
        return length.ToString(CultureInfo.InvariantCulture) + rest;
    }

    private static int Digits(int number) => number.ToString(CultureInfo.InvariantCulture).Length;

    private static void Write(Span<byte> block, string name, long size, char type)
    {
        Encoding.ASCII.GetBytes(name, block);
        Octal(block.Slice(100, 8), 0b110_100_100);   // rw-r--r--
        Octal(block.Slice(108, 8), 0);
        Octal(block.Slice(116, 8), 0);
        Octal(block.Slice(124, 12), size);
        Octal(block.Slice(136, 12), 0);
        block[156] = (byte)type;
        "ustar\0"u8.CopyTo(block[257..]);
        "00"u8.CopyTo(block[263..]);
        Octal(block.Slice(329, 8), 0);
        Octal(block.Slice(337, 8), 0);

        var checksum = block.Slice(148, 8);
        checksum.Fill((byte)' ');   // as which it is counted
        var sum = 0;
        foreach (var one in block) sum += one;
        Octal(checksum[..7], sum);
    }

    // Leading zeros, and a zero byte at the end.
    private static void Octal(Span<byte> field, long number)
    {
        field[^1] = 0;
        for (var i = field.Length - 2; i >= 0; i--, number >>= 3) field[i] = (byte)('0' + (number & 7));
    }
}
