namespace Entrepot.Server.Sources;

/// <summary>Reads the <c>.env</c> file that stands beside a compose file: <c>NAME=value</c> on a line. Pure.</summary>
internal static class DotEnv
{
    /// <summary>The variables; of one that is there twice the last.</summary>
    public static IReadOnlyDictionary<string, string> Read(string text)
    {
        var variables = new Dictionary<string, string>();
        foreach (var raw in text.TrimStart('\uFEFF').ReplaceLineEndings("\n").Split('\n'))
        {
            var line = raw.Trim();
            if (line.StartsWith("export ", StringComparison.Ordinal)) line = line["export ".Length..].TrimStart();
            var equals = line.IndexOf('=', StringComparison.Ordinal);
            if (equals <= 0 || line[0] == '#') continue;
            variables[line[..equals].Trim()] = ValueOf(line[(equals + 1)..].Trim());
        }

        return variables;
    }

    private static string ValueOf(string text)
    {
        if (text.Length >= 2 && text[0] is ('"' or '\'') && text.IndexOf(text[0], 1) is > 0 and var end) return text[1..end];
        var comment = text.IndexOf(" #", StringComparison.Ordinal);
        return comment < 0 ? text : text[..comment].TrimEnd();
    }
}
