using System.Runtime.InteropServices;

namespace Entrepot.ClientTests.Images;

/// <summary>One image manifest with what it points to.</summary>
/// <param name="Architecture">As Go spells it.</param>
/// <param name="Manifest">Names the others.</param>
/// <param name="Config">Holds the diff IDs.</param>
/// <param name="Layers">In order, as in the manifest and in the config's diff IDs.</param>
internal sealed record PlatformImage(string Architecture, Content Manifest, Content Config, IReadOnlyList<Layer> Layers)
{
    /// <summary>What a client that wants this platform asks for beside manifests.</summary>
    public IEnumerable<Content> Blobs => Layers.Select(layer => layer.Blob).Prepend(Config);
}

/// <summary>What one tag names.</summary>
/// <param name="Repository">Without the registry.</param>
/// <param name="Tag">Unique in the repository.</param>
/// <param name="Index">The index; <see langword="null"/> if the tag names the only platform's manifest.</param>
/// <param name="Platforms">At least one; in the index's order.</param>
internal sealed record TestImage(string Repository, string Tag, Content? Index, IReadOnlyList<PlatformImage> Platforms)
{
    /// <summary>This machine's architecture, as Go spells it.</summary>
    public static string NativeArchitecture { get; } = RuntimeInformation.OSArchitecture switch
    {
        Architecture.X64 => "amd64",
        var other => other.ToString().ToLowerInvariant(),
    };

    /// <summary>What the tag names.</summary>
    public Content Root => Index ?? Platforms[0].Manifest;

    /// <summary>What an engine on this machine runs.</summary>
    public PlatformImage Native => Platform(null);

    /// <summary>The image of an architecture; of this machine's if <see langword="null"/>.</summary>
    public PlatformImage Platform(string? architecture) => Platforms.First(platform => platform.Architecture == (architecture ?? NativeArchitecture));

    /// <summary>Every manifest, children before the index that names them.</summary>
    public IEnumerable<Content> Manifests => Platforms.Select(platform => platform.Manifest).Concat(Index is null ? [] : [Index]);

    /// <summary>Every config and layer, once.</summary>
    public IEnumerable<Content> Blobs => Platforms.SelectMany(platform => platform.Blobs).DistinctBy(blob => blob.Digest);

    public override string ToString() => $"{Repository}:{Tag}";
}
