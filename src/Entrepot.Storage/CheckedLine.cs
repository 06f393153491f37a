using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace Entrepot.Storage;

/// <summary>A line of text that shows whether it is whole: a checksum of eight hex digits, a space and the content. Pure.</summary>
internal static class CheckedLine
{
    private const int ChecksumDigits = 8;

    /// <summary>The line, with its end.</summary>
    public static byte[] Of(ReadOnlySpan<byte> content) => [.. Encoding.ASCII.GetBytes(Checksum(content)), (byte)' ', .. content, (byte)'\n'];

    /// <summary>The content of a line without its end.</summary>
    /// <returns><see langword="false"/> if it is not a line that was written whole.</returns>
    public static bool TryRead(ReadOnlySpan<byte> line, out ReadOnlySpan<byte> content)
    {
        content = line.Length > ChecksumDigits && line[ChecksumDigits] == ' ' ? line[(ChecksumDigits + 1)..] : default;
        return content.Length > 0 && Encoding.ASCII.GetString(line[..ChecksumDigits]) == Checksum(content);
    }

    private static string Checksum(ReadOnlySpan<byte> content)
    {
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(content, hash);
        return $"{BinaryPrimitives.ReadUInt32BigEndian(hash):x8}";
    }
}
