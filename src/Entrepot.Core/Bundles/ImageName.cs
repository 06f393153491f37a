using Entrepot.Oci;

namespace Entrepot.Bundles;

/// <summary>Names that archives have for their images. Pure.</summary>
public static class ImageName
{
    private const string DockerHub = "docker.io";

    /// <summary>The full form of a reference, completed as Docker does: <c>alpine</c> is <c>docker.io/library/alpine:latest</c>.</summary>
    /// <returns><see langword="null"/> if it is no reference.</returns>
    public static string? Complete(string text)
    {
        if (text.Length is 0 or > ReferencePattern.MaxLength) return null;
        var (name, target) = Split(text);
        if (target.StartsWith('@') ? !Digest.TryParse(target.AsSpan(1), out _) : target.Length > 0 && !Grammar.IsTag(target.AsSpan(1))) return null;

        var slash = name.IndexOf('/', StringComparison.Ordinal);
        var host = slash > 0 && (name.AsSpan(0, slash).ContainsAny('.', ':') || name[..slash] == "localhost") ? name[..slash] : null;
        if (host is not null) name = name[(slash + 1)..];
        var registry = host is null or "index.docker.io" ? DockerHub : host;
        var repository = UpstreamRoutes.FullName(registry, name);
        return Grammar.IsRepository(repository) ? $"{registry}/{repository}{(target.Length > 0 ? target : ":latest")}" : null;
    }

    /// <summary>What an image of an archive is called.</summary>
    /// <param name="name">Its full name, as containerd and Docker write it; <see langword="null"/> if there is none.</param>
    /// <param name="refName">Its <c>org.opencontainers.image.ref.name</c>: a reference, or only a tag; <see langword="null"/> if there is none.</param>
    /// <param name="given">What the user says it is called, with a tag or without; <see langword="null"/> if nothing.</param>
    /// <returns>The full form; <see langword="null"/> if none of them says it.</returns>
    public static string? Of(string? name, string? refName, string? given)
    {
        if (name is not null && Complete(name) is { } full) return full;
        if (refName is { Length: > 0 } && !Grammar.IsTag(refName)) return Complete(refName) ?? (given is null ? null : Complete(given));
        if (given is null) return null;
        var (repository, target) = Split(given);
        return Complete(target.Length == 0 && refName is { Length: > 0 } ? $"{repository}:{refName}" : given);
    }

    /// <summary>Something by its digest in the repository of an image.</summary>
    /// <param name="reference">The image, in full form.</param>
    /// <param name="digest">What is meant there.</param>
    public static string At(string reference, Digest digest) => $"{Split(reference).Name}@{digest}";

    // The name, and its tag with the colon or its digest with the at sign, empty if there is neither. With both, the digest counts.
    private static (string Name, string Target) Split(string text)
    {
        var (name, target) = (text, "");
        var at = name.IndexOf('@', StringComparison.Ordinal);
        if (at >= 0) (name, target) = (name[..at], name[at..]);
        var colon = name.LastIndexOf(':');
        if (colon <= name.LastIndexOf('/')) return (name, target);
        return (name[..colon], target.Length > 0 ? target : name[colon..]);
    }
}
