using System.Text;
using System.Text.RegularExpressions;

namespace Entrepot.Server.Sources;

/// <summary>Splits a Dockerfile into instructions: continued lines are joined, comments and here-documents left out. Pure.</summary>
internal static partial class DockerfileLines
{
    /// <summary>The instructions, each with the line that it begins on.</summary>
    public static IReadOnlyList<(int Line, string Instruction)> Read(string text)
    {
        var instructions = new List<(int, string)>();
        var lines = text.ReplaceLineEndings("\n").Split('\n');
        var escape = EscapeOf(lines);
        for (var i = 0; i < lines.Length;)
        {
            var begin = i + 1;
            var joined = new StringBuilder();
            for (var goesOn = true; goesOn && i < lines.Length; i++)
            {
                // Within a continued line comments and empty lines are as if they were not there.
                var line = lines[i].Trim(' ', '\t');
                if (line.Length == 0 || line[0] == '#')
                {
                    goesOn = joined.Length > 0;
                    continue;
                }

                goesOn = line[^1] == escape;
                joined.Append(goesOn ? line[..^1] : line).Append(goesOn ? " " : "");
            }

            var instruction = joined.ToString().Trim();
            if (instruction.Length == 0) continue;
            instructions.Add((begin, instruction));
            if (TakesHereDocuments().IsMatch(instruction)) i = AfterHereDocuments(instruction, lines, i);
        }

        return instructions;
    }

    /// <summary>The words of an instruction, without the quotes that hold them together.</summary>
    public static IReadOnlyList<string> Words(string text)
    {
        var words = new List<string>();
        var word = new StringBuilder();
        var (quote, isWord) = ('\0', false);
        foreach (var c in text)
        {
            if (quote != '\0' && c == quote) quote = '\0';
            else if (quote == '\0' && c is ('"' or '\'')) (quote, isWord) = (c, true);
            else if (quote == '\0' && c is (' ' or '\t')) EndWord();
            else (_, isWord) = (word.Append(c), true);
        }

        EndWord();
        return words;

        void EndWord()
        {
            if (isWord) words.Add(word.ToString());
            word.Clear();
            isWord = false;
        }
    }

    private static char EscapeOf(string[] lines)
    {
        foreach (var line in lines)
        {
            if (Directive().Match(line) is not { Success: true } directive) break;
            if (directive.Groups["name"].Value.Equals("escape", StringComparison.OrdinalIgnoreCase) && directive.Groups["value"].Value == "`") return '`';
        }

        return '\\';
    }

    // One that has no end is the rest of the file.
    private static int AfterHereDocuments(string instruction, string[] lines, int next)
    {
        foreach (Match start in HereDocument().Matches(instruction))
        {
            var (name, isIndented) = (start.Groups["name"].Value, start.Groups["dash"].Length > 0);
            while (next < lines.Length)
            {
                var line = lines[next++];
                if ((isIndented ? line.TrimStart('\t') : line) == name) break;
            }
        }

        return next;
    }

    [GeneratedRegex(@"^\s*#\s*(?<name>[A-Za-z]+)\s*=\s*(?<value>\S*)\s*$")]
    private static partial Regex Directive();

    [GeneratedRegex(@"^(ONBUILD\s+)?(RUN|COPY|ADD)\s", RegexOptions.IgnoreCase)]
    private static partial Regex TakesHereDocuments();

    [GeneratedRegex(@"(?<![<\w])\d*<<(?<dash>-?)(?<quote>[""']?)(?<name>[A-Za-z_][A-Za-z0-9_.]*)\k<quote>")]
    private static partial Regex HereDocument();
}
