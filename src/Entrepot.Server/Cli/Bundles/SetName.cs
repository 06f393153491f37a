using Entrepot.Pull;

namespace Entrepot.Server.Cli.Bundles;

/// <summary>The set of an import that names none: called as its first file. Pure.</summary>
internal static class SetName
{
    private const string Fallback = "imported";

    /// <summary>
    /// The file's name without what its kind and part number add: <c>/media/site.001.tar</c> is <c>site</c>. So a bundle that comes again under the same name replaces what it
    /// brought before, and another one replaces nothing.
    /// </summary>
    public static string Of(string file)
    {
        var name = Path.GetFileName(Path.TrimEndingDirectorySeparator(file));
        if (name.EndsWith(".tar", StringComparison.OrdinalIgnoreCase)) name = name[..^4];
        var dot = name.LastIndexOf('.');
        if (dot > 0 && name.Length - dot == 4 && name.AsSpan(dot + 1).ContainsAnyExceptInRange('0', '9') is false) name = name[..dot];
        name = string.Concat(name.Select(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '-' ? c : '-')).TrimStart('.', '_', '-');
        if (name.Length > ImageSets.MaxName) name = name[..ImageSets.MaxName];
        return ImageSets.IsName(name) ? name : Fallback;
    }
}
