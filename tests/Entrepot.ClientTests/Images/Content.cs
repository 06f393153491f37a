using System.Security.Cryptography;
using System.Text.Json.Nodes;

namespace Entrepot.ClientTests.Images;

/// <summary>A manifest or blob as it is pushed: its bytes and what they are.</summary>
internal sealed record Content(string MediaType, byte[] Bytes)
{
    /// <summary>The name of the bytes.</summary>
    public string Digest { get; } = DigestOf(Bytes);

    /// <summary>The hex digits of <see cref="Digest"/>.</summary>
    public string Hex => Digest["sha256:".Length..];

    public static string DigestOf(ReadOnlySpan<byte> bytes) => "sha256:" + Convert.ToHexStringLower(SHA256.HashData(bytes));

    /// <summary>A new descriptor of this content.</summary>
    public JsonObject Descriptor() => new() { ["mediaType"] = MediaType, ["digest"] = Digest, ["size"] = Bytes.Length };
}
