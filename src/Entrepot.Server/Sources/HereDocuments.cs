using System.Text;
using System.Text.RegularExpressions;

namespace Entrepot.Server.Sources;

/// <summary>A here-document that an instruction begins. An immutable value.</summary>
/// <param name="Name">The line that ends it.</param>
/// <param name="IsIndented">Whether tabs before that line do not matter.</param>
internal readonly record struct HereDocument(string Name, bool IsIndented)
{
    /// <summary>Whether a line is its end.</summary>
    public bool EndsWith(string line) => (IsIndented ? line.TrimStart('\t') : line) == Name;
}

/// <summary>Finds the here-documents of <c>RUN</c>, <c>COPY</c> and <c>ADD</c>. Pure.</summary>
/// <remarks>As BuildKit has it: one begins where a whole word is <c>&lt;&lt;</c>, a number before it or not, and a name, quoted or not. What stands in quotes or in the middle of a word begins none.</remarks>
internal static partial class HereDocuments
{
    /// <summary>Those of an instruction, in the order in which they follow it.</summary>
    public static IReadOnlyList<HereDocument> Of(string instruction)
    {
        if (!Takes().IsMatch(instruction)) return [];
        return [.. Words(instruction).Select(word => Begin().Match(word)).Where(begin => begin.Success)
            .Select(begin => new HereDocument(Unquoted(begin.Groups["name"].Value), begin.Groups["dash"].Length > 0))];
    }

    // With their quotes and escapes as they stand. Blanks behind "<<" are of the word.
    private static List<string> Words(string text)
    {
        var words = new List<string>();
        var begin = 0;
        for (var i = 0; i < text.Length; i++)
        {
            if (IsBlank(text[i]))
            {
                if (i > begin) words.Add(text[begin..i]);
                begin = i + 1;
            }
            else if (text[i] is '"' or '\'')
            {
                i = EndOfQuote(text, i);
            }
            else if (text[i] == '\\')
            {
                i++;
            }
            else if (text.AsSpan(i).StartsWith("<<"))
            {
                i++;
                while (i + 1 < text.Length && IsBlank(text[i + 1])) i++;
            }
        }

        if (begin < text.Length) words.Add(text[begin..]);
        return words;
    }

    private static string Unquoted(string word)
    {
        var result = new StringBuilder();
        for (var i = 0; i < word.Length; i++)
        {
            if (word[i] is '"' or '\'')
            {
                var end = EndOfQuote(word, i);
                for (var at = i + 1; at < end; at++)
                {
                    if (word[i] == '"' && word[at] == '\\' && at + 1 < end && word[at + 1] is '"' or '$' or '\\') at++;
                    result.Append(word[at]);
                }

                i = end;
            }
            else
            {
                if (word[i] == '\\' && i + 1 < word.Length) i++;
                result.Append(word[i]);
            }
        }

        return result.ToString();
    }

    // Where the closing quote is; the end of the text if there is none.
    private static int EndOfQuote(string text, int open)
    {
        for (var i = open + 1; i < text.Length; i++)
        {
            if (text[i] == text[open]) return i;
            if (text[open] == '"' && text[i] == '\\') i++;
        }

        return text.Length;
    }

    private static bool IsBlank(char c) => c is ' ' or '\t';

    [GeneratedRegex(@"^(ONBUILD\s+)?(RUN|COPY|ADD)\s", RegexOptions.IgnoreCase)]
    private static partial Regex Takes();

    [GeneratedRegex(@"^[0-9]*<<(?<dash>-?)\s*(?<name>[^<\s][^<]*)$", RegexOptions.CultureInvariant)]
    private static partial Regex Begin();
}
