using System.Text.RegularExpressions;

namespace Entrepot.Server.Sources;

/// <summary>What kind of file names images.</summary>
internal enum ImageFileKind
{
    /// <summary>A list: an image on a line.</summary>
    List,

    /// <summary>A compose file.</summary>
    Compose,

    /// <summary>Kubernetes manifests, also as Helm renders them.</summary>
    Kubernetes,

    /// <summary>A Dockerfile.</summary>
    Dockerfile,
}

/// <summary>Finds the images that somebody's own file names. Pure, but for the files that a compose file leads to.</summary>
internal static partial class ImageFile
{
    /// <summary>Most characters of a file.</summary>
    public const int MostChars = 64 << 20;

    /// <summary>Reads a file.</summary>
    /// <param name="name">Its name, for problems, and to tell what it is.</param>
    /// <param name="text">What is in it.</param>
    /// <param name="kind">What it is; <see langword="null"/> to find out.</param>
    /// <param name="variables">The value of a variable that compose files may use; <see langword="null"/> if it is not set.</param>
    /// <param name="open">Reads the files that a compose file leads to.</param>
    public static FoundImages Read(string name, string text, ImageFileKind? kind, Func<string, string?> variables, OpenFile open)
    {
        var found = new FoundImages(name);
        text = text.TrimStart('\uFEFF');
        switch (kind ?? KindOf(name, text))
        {
            case ImageFileKind.Compose:
                ComposeFile.Read(name, text, variables, open, found);
                break;
            case ImageFileKind.Kubernetes:
                KubernetesFile.Read(text, found);
                break;
            case ImageFileKind.Dockerfile:
                Dockerfile.Read(text, found);
                break;
            default:
                ImageListFile.Read(text, found);
                break;
        }

        return found;
    }

    /// <summary>What a file is, by its name where that says it, and otherwise by what is in it.</summary>
    public static ImageFileKind KindOf(string name, string text)
    {
        var file = Path.GetFileName(name);
        if (DockerfileName().IsMatch(file)) return ImageFileKind.Dockerfile;
        if (ComposeName().IsMatch(file)) return ImageFileKind.Compose;
        if (ListName().IsMatch(file)) return ImageFileKind.List;
        if (KindOfYaml(text) is { } kind) return kind;
        if (YamlName().IsMatch(file)) return ImageFileKind.Kubernetes;   // broken, or of nothing that is known: its reader says so
        return Instruction().IsMatch(text) ? ImageFileKind.Dockerfile : ImageFileKind.List;
    }

    // The lines are looked at, too: what is broken further down is still what it is.
    private static ImageFileKind? KindOfYaml(string text)
    {
        foreach (var map in YamlDocuments.Read(text, (_, _) => { }).OfType<YamlMap>())
        {
            if (map.Find("apiVersion") is YamlText || map.Find("kind") is YamlText) return ImageFileKind.Kubernetes;
            if (map.Find("services") is YamlMap) return ImageFileKind.Compose;
        }

        return KubernetesLine().IsMatch(text) ? ImageFileKind.Kubernetes : ServicesLine().IsMatch(text) ? ImageFileKind.Compose : null;
    }

    [GeneratedRegex(@"^(Dockerfile|Containerfile)([.\-_].*)?$|\.(Dockerfile|Containerfile)$", RegexOptions.IgnoreCase)]
    private static partial Regex DockerfileName();

    [GeneratedRegex(@"^(docker-|podman-)?compose([.\-_].*)?\.ya?ml$", RegexOptions.IgnoreCase)]
    private static partial Regex ComposeName();

    [GeneratedRegex(@"\.(txt|list|lst)$", RegexOptions.IgnoreCase)]
    private static partial Regex ListName();

    [GeneratedRegex(@"\.(ya?ml|json)$", RegexOptions.IgnoreCase)]
    private static partial Regex YamlName();

    [GeneratedRegex(@"^(apiVersion|kind)\s*:\s", RegexOptions.Multiline)]
    private static partial Regex KubernetesLine();

    [GeneratedRegex(@"^services\s*:\s*$", RegexOptions.Multiline)]
    private static partial Regex ServicesLine();

    // The first line that is no comment. Each line can be read in one way only, or thirty empty ones would be read in a billion.
    [GeneratedRegex(@"\A([^\S\n]*(#[^\n]*)?\n)*[^\S\n]*(FROM|ARG)[ \t]", RegexOptions.IgnoreCase)]
    private static partial Regex Instruction();
}
