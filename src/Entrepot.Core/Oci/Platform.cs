using System.Text.Json;

namespace Entrepot.Oci;

/// <summary>What an image runs on. An immutable value.</summary>
/// <param name="Os">The operating system, e.g. <c>linux</c>.</param>
/// <param name="Architecture">The architecture, as Go names it, e.g. <c>amd64</c>.</param>
/// <param name="Variant">Which kind of that, e.g. <c>v7</c>; empty if it does not matter, or is the usual one.</param>
public readonly record struct Platform(string Os, string Architecture, string Variant)
{
    /// <summary>What it is of a manifest that no machine runs, such as an attestation.</summary>
    public static Platform Unknown { get; } = new("unknown", "unknown", "");

    /// <summary>Reads what a person types: <c>linux/amd64</c> or <c>linux/arm/v7</c>, in any case.</summary>
    public static bool TryParse(string text, out Platform platform)
    {
        platform = default;
        var parts = text.ToLowerInvariant().Split('/');
        if (parts.Length is not (2 or 3) || !Array.TrueForAll(parts, IsName)) return false;
        platform = new Platform(parts[0], NameOf(parts[1]), parts.Length == 3 ? parts[2] : "");
        return true;
    }

    /// <summary>Whether an image for <paramref name="other"/> is meant where this is asked for: without a variant, any is.</summary>
    public bool Includes(Platform other) =>
        Os == other.Os && Architecture == other.Architecture && (Variant.Length == 0 || Variant == UsualVariant(other));

    /// <summary>As people write it.</summary>
    public override string ToString() => Variant.Length == 0 ? $"{Os}/{Architecture}" : $"{Os}/{Architecture}/{Variant}";

    /// <summary>Reads a descriptor's <c>platform</c>.</summary>
    /// <returns><see langword="null"/> if it is not there, or not one.</returns>
    internal static Platform? Of(JsonElement descriptor) =>
        descriptor.TryGetProperty("platform", out var platform) && platform.ValueKind is JsonValueKind.Object
            ? new Platform(Text(platform, "os"), Text(platform, "architecture"), Text(platform, "variant"))
            : null;

    // Images are built without their usual variant as often as with it.
    private static string UsualVariant(Platform platform) => (platform.Architecture, platform.Variant) switch
    {
        ("arm64", "") => "v8",
        ("arm", "") => "v7",
        ("amd64", "") => "v1",
        _ => platform.Variant,
    };

    private static string NameOf(string architecture) => architecture switch
    {
        "x86_64" or "x86-64" => "amd64",
        "aarch64" => "arm64",
        "armhf" => "arm",
        "i386" => "386",
        _ => architecture,
    };

    private static bool IsName(string part) => part.Length is > 0 and <= 64 && part.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '-');

    private static string Text(JsonElement element, string name) =>
        element.TryGetProperty(name, out var value) && value.ValueKind is JsonValueKind.String ? value.GetString() ?? "" : "";
}
