using Entrepot.Oci;
using Entrepot.Server.Options;

namespace Entrepot.Server.Sources;

/// <summary>Reads a list: <c>REF [PLATFORM,...]  # comment</c> on a line. Pure.</summary>
internal static class ImageListFile
{
    private static readonly char[] Between = [' ', '\t', ','];

    /// <summary>Reads a whole list.</summary>
    public static void Read(string text, FoundImages found)
    {
        var number = 0;
        foreach (var raw in text.AsSpan().EnumerateLines())
        {
            number++;
            var line = WithoutComment(raw).Trim().ToString();
            if (line.Length == 0) continue;

            var words = line.Split(Between, StringSplitOptions.RemoveEmptyEntries);
            if (words.Length == 0) continue;
            var platforms = words[1..];
            if (Array.Find(platforms, platform => !Platform.TryParse(platform, out _)) is { } wrong)
                found.Refuse(number, $"{Problem.Quote(wrong)} is not a platform, such as linux/amd64; a line is an image, its platforms if not all are wanted, and a comment after #");
            else found.Add(words[0], platforms);
        }
    }

    // Within a reference there is none.
    private static ReadOnlySpan<char> WithoutComment(ReadOnlySpan<char> line)
    {
        for (var i = 0; i < line.Length; i++)
            if (line[i] == '#' && (i == 0 || char.IsWhiteSpace(line[i - 1]))) return line[..i];
        return line;
    }
}
