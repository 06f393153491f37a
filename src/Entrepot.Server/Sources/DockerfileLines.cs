using System.Text;
using System.Text.RegularExpressions;
using Entrepot.Server.Options;

namespace Entrepot.Server.Sources;

/// <summary>Splits a Dockerfile into instructions: continued lines are joined, comments and here-documents left out. Pure.</summary>
internal static partial class DockerfileLines
{
    /// <summary>The instructions, each with the line that it begins on.</summary>
    /// <param name="text">The file.</param>
    /// <param name="refuse">Told at which line something is wrong, and what.</param>
    public static IReadOnlyList<(int Line, string Instruction)> Read(string text, Action<int, string> refuse)
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
            foreach (var document in HereDocuments.Of(instruction))
            {
                var end = Array.FindIndex(lines, i, document.EndsWith);
                if (end >= 0) i = end + 1;
                else refuse(begin, $"the here-document {Problem.Quote(document.Name)} has no end: no line is {Problem.Quote(document.Name)} alone");   // what follows may well be instructions
            }
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

    [GeneratedRegex(@"^\s*#\s*(?<name>[A-Za-z]+)\s*=\s*(?<value>\S*)\s*$")]
    private static partial Regex Directive();
}
