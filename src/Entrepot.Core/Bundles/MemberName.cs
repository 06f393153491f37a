namespace Entrepot.Bundles;

/// <summary>Names of an archive's members. Nothing is ever written under them: they are only looked up. Pure.</summary>
public static class MemberName
{
    /// <summary>Most characters: those of a path.</summary>
    public const int MaxLength = 4096;

    /// <summary>The one spelling of a name: its parts joined by slashes, without <c>.</c> and empty ones.</summary>
    /// <returns><see langword="null"/> if it names nothing inside an archive: it is absolute, has <c>..</c> or a NUL in it, is empty or too long.</returns>
    public static string? Normalise(string name) => Join("", name, mayClimb: false);

    /// <summary>What a link means.</summary>
    /// <param name="folder">The folder that the target is relative to, normalised; empty for the archive's root.</param>
    /// <param name="target">What the link says.</param>
    /// <returns>A normalised name; <see langword="null"/> if it leads out of the archive.</returns>
    public static string? Resolve(string folder, string target) => Join(folder, target, mayClimb: true);

    /// <summary>The folder that a normalised name is in; empty for the archive's root.</summary>
    public static string FolderOf(string name) => name.LastIndexOf('/') is >= 0 and var slash ? name[..slash] : "";

    private static string? Join(string folder, string name, bool mayClimb)
    {
        if (name.Length is 0 or > MaxLength || name[0] == '/' || name.Contains('\0', StringComparison.Ordinal)) return null;
        var parts = new List<string>(folder.Split('/', StringSplitOptions.RemoveEmptyEntries));
        foreach (var part in name.Split('/'))
        {
            if (part is "" or ".") continue;
            if (part != "..") parts.Add(part);
            else if (mayClimb && parts.Count > 0) parts.RemoveAt(parts.Count - 1);
            else return null;
        }

        return parts.Count > 0 ? string.Join('/', parts) : null;
    }
}
