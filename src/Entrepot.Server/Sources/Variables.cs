using System.Text;

namespace Entrepot.Server.Sources;

/// <summary>Fills in variables: <c>$X</c>, <c>${X}</c>, <c>${X:-default}</c>, <c>${X-default}</c>, <c>${X:+other}</c>, <c>${X+other}</c>, <c>${X:?why}</c>, <c>${X?why}</c>. Pure.</summary>
/// <param name="find">The value of a variable; <see langword="null"/> if it is not set.</param>
/// <param name="hasDollars">Whether <c>$$</c> is a dollar sign, as in compose files.</param>
/// <param name="isLenient">Whether a variable that is not set is as an empty one, unless a text says what it is then.</param>
internal sealed class Variables(Func<string, string?> find, bool hasDollars, bool isLenient = false)
{
    private const int MaxDepth = 16;
    private const int MaxChars = 1 << 20;   // forty lines that each use the one before twice would have no end

    /// <summary>Fills a text in.</summary>
    /// <param name="text">The text.</param>
    /// <param name="filled">What it means.</param>
    /// <returns>Why it means nothing; <see langword="null"/> if it does.</returns>
    public string? Fill(string text, out string filled) => Fill(text, MaxDepth, out filled);

    private string? Fill(ReadOnlySpan<char> text, int depth, out string filled)
    {
        filled = "";
        var result = new StringBuilder();
        while (text.Length > 0)
        {
            var dollar = text.IndexOf('$');
            if (dollar < 0 || dollar == text.Length - 1)
            {
                result.Append(text);
                break;
            }

            result.Append(text[..dollar]);
            text = text[(dollar + 1)..];
            string? problem = null;
            if (text[0] == '$' && hasDollars)
            {
                result.Append('$');
                text = text[1..];
            }
            else if (text[0] == '{')
            {
                var end = EndOf(text);
                if (end < 0) return "a '${' has no '}'";
                problem = Braced(text[1..end], depth, result);
                text = text[(end + 1)..];
            }
            else if (NameLength(text) is > 0 and var length)
            {
                problem = Put(text[..length].ToString(), result);
                text = text[length..];
            }
            else
            {
                result.Append('$');
            }

            if (problem is not null) return problem;
            if (result.Length > MaxChars) return $"it has more than {MaxChars} characters";
        }

        filled = result.ToString();
        return null;
    }

    private string? Braced(ReadOnlySpan<char> inner, int depth, StringBuilder result)
    {
        var length = NameLength(inner);
        if (length == 0) return $"'${{{inner}}}' names no variable";
        if (depth == 0) return "variables stand in each other too deeply";
        var name = inner[..length].ToString();
        var rest = inner[length..];
        if (rest.IsEmpty) return Put(name, result);

        var countsEmpty = rest[0] == ':';   // an empty value is as good as none
        if (countsEmpty) rest = rest[1..];
        if (rest.IsEmpty || rest[0] is not ('-' or '+' or '?')) return $"'${{{inner}}}' is not understood";
        var value = find(name);
        var isSet = value is not null && !(countsEmpty && value.Length == 0);
        switch (rest[0])
        {
            case '?' when !isSet:
                return rest.Length > 1 ? $"the variable {name} is not set: {rest[1..]}" : $"the variable {name} is not set";
            case '-' when !isSet:
            case '+' when isSet:
                if (Fill(rest[1..], depth - 1, out var other) is { } problem) return problem;
                result.Append(other);
                return null;
            case '+':
                return null;
            default:
                result.Append(value);
                return null;
        }
    }

    private string? Put(string name, StringBuilder result)
    {
        if ((find(name) ?? (isLenient ? "" : null)) is not { } value) return $"the variable {name} is not set and has no default";
        result.Append(value);
        return null;
    }

    private static int EndOf(ReadOnlySpan<char> text)
    {
        for (var (i, open) = (0, 0); i < text.Length; i++)
        {
            if (text[i] == '{') open++;
            else if (text[i] == '}' && --open == 0) return i;
        }

        return -1;
    }

    private static int NameLength(ReadOnlySpan<char> text)
    {
        if (text.IsEmpty || !(char.IsAsciiLetter(text[0]) || text[0] == '_')) return 0;
        var length = 1;
        while (length < text.Length && (char.IsAsciiLetterOrDigit(text[length]) || text[length] == '_')) length++;
        return length;
    }
}
