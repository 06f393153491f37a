using System.Text.RegularExpressions;

namespace Entrepot.Tests.Architecture;

/// <summary>A member of a type: where it is in its file's code, and what stands before its body.</summary>
/// <param name="Header">From its attributes to the brace or the equals sign of its body.</param>
/// <param name="Start">The first character.</param>
/// <param name="End">The last character.</param>
internal sealed partial record Member(string Header, int Start, int End)
{
    /// <summary>Whether it is a method, a constructor or an operator.</summary>
    public bool IsMethod => EndsAsMethod().IsMatch(Header) && !DeclaresType().IsMatch(Name(Header));

    /// <summary>All members of all types in code that <see cref="SourceText.CodeOnly"/> has made. Pure.</summary>
    public static IEnumerable<Member> Of(string code) => Within(code, 0, code.Length);

    private static IEnumerable<Member> Within(string code, int from, int to)
    {
        for (var i = from; i < to; i++)
        {
            if (char.IsWhiteSpace(code[i]) || code[i] is ';' or '}') continue;

            var (start, body) = (i, BodyOf(code, i, to));
            var header = code[start..body];
            if (body < to && code[body] == '{')
            {
                i = Close(code, body);
                if (DeclaresType().IsMatch(Name(header)))
                {
                    foreach (var member in Within(code, body + 1, i)) yield return member;
                    continue;
                }

                // A property's initializer belongs to it.
                if (code.AsSpan(i + 1).TrimStart().StartsWith("=")) i = EndOf(code, i + 1, to);
            }
            else
            {
                i = EndOf(code, body, to);
            }

            yield return new Member(header, start, i);
        }
    }

    // Where a body begins: an opening brace, an equals sign (of => too) or, without a body, the semicolon.
    private static int BodyOf(string code, int from, int to)
    {
        var depth = 0;
        for (var i = from; i < to; i++)
        {
            if (code[i] is '(' or '[') depth++;
            else if (code[i] is ')' or ']') depth--;
            else if (depth == 0 && code[i] is '{' or ';') return i;
            else if (depth == 0 && code[i] == '=' && !OperatorName().IsMatch(code.AsSpan(from, i - from))) return i;
        }

        return to;
    }

    private static int EndOf(string code, int from, int to)
    {
        var depth = 0;
        for (var i = from; i < to; i++)
        {
            if (code[i] is '(' or '[' or '{') depth++;
            else if (code[i] is ')' or ']' or '}') depth--;
            else if (depth == 0 && code[i] == ';') return i;
        }

        return to - 1;
    }

    private static int Close(string code, int open)
    {
        var depth = 0;
        for (var i = open; i < code.Length; i++)
        {
            if (code[i] == '{') depth++;
            else if (code[i] == '}' && --depth == 0) return i;
        }

        return code.Length - 1;
    }

    // A header without attributes, parameters and constraints, in which keywords of types might stand for something else.
    private static string Name(string header) => Rest().Replace(Attributes().Replace(header, ""), "");

    [GeneratedRegex(@"\)\s*(where\b.*)?$", RegexOptions.Singleline)]
    private static partial Regex EndsAsMethod();

    [GeneratedRegex(@"\b(class|struct|interface|record|enum|namespace)\s")]
    private static partial Regex DeclaresType();

    [GeneratedRegex(@"^(\s*\[[^\]]*\])+")]
    private static partial Regex Attributes();

    [GeneratedRegex(@"(\(|\bwhere\b).*$", RegexOptions.Singleline)]
    private static partial Regex Rest();

    [GeneratedRegex(@"\boperator\s*[=!<>]?$")]
    private static partial Regex OperatorName();
}
