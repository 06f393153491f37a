namespace Entrepot.Server.Sources;

/// <summary>Reads the <c>.env</c> file that stands beside a compose file: <c>NAME=value</c> on a line. Pure.</summary>
/// <remarks>As Compose has it: a value may use variables, those from outside before those of lines above, unless single quotes hold it; one that is not set is empty.</remarks>
internal static class DotEnv
{
    /// <summary>The variables; of one that is there twice the last. One whose value cannot be filled in is as good as none: who uses it is told.</summary>
    /// <param name="text">What is in it.</param>
    /// <param name="outside">The value of a variable from outside; <see langword="null"/> if it is not set.</param>
    public static IReadOnlyDictionary<string, string> Read(string text, Func<string, string?> outside)
    {
        var variables = new Dictionary<string, string>();
        var filling = new Variables(name => outside(name) ?? variables.GetValueOrDefault(name), hasDollars: true, isLenient: true);
        foreach (var raw in text.TrimStart('\uFEFF').ReplaceLineEndings("\n").Split('\n'))
        {
            var line = raw.Trim();
            if (line.StartsWith("export ", StringComparison.Ordinal)) line = line["export ".Length..].TrimStart();
            var equals = line.IndexOf('=', StringComparison.Ordinal);
            if (equals <= 0 || line[0] == '#') continue;
            var (name, value) = (line[..equals].Trim(), ValueOf(line[(equals + 1)..].Trim(), out var isLiteral));
            if (isLiteral || filling.Fill(value, out value) is null) variables[name] = value;
            else variables.Remove(name);
        }

        return variables;
    }

    private static string ValueOf(string text, out bool isLiteral)
    {
        isLiteral = text.StartsWith('\'');
        if (text.Length >= 2 && text[0] is ('"' or '\'') && text.IndexOf(text[0], 1) is > 0 and var end) return text[1..end];
        var comment = text.IndexOf(" #", StringComparison.Ordinal);
        return comment < 0 ? text : text[..comment].TrimEnd();
    }
}
