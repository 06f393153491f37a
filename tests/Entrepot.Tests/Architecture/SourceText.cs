namespace Entrepot.Tests.Architecture;

/// <summary>Source text without what is no code. Pure.</summary>
internal static class SourceText
{
    /// <summary>
    /// The same text with comments, directives, and the text of strings and characters made blank, so that lines and columns stay. What stands in an
    /// interpolated string's holes is code and stays, without the braces around it.
    /// </summary>
    public static string CodeOnly(string text) => new Lexer(text).Run();

    /// <summary>The line of a place in a text, from 1.</summary>
    public static int LineOf(string text, int place) => text.AsSpan(0, place).Count('\n') + 1;

    private sealed class Lexer(string text)
    {
        private readonly char[] _code = text.ToCharArray();
        private int _at;

        public string Run()
        {
            while (_at < text.Length) Code(inHole: false);
            return new string(_code);
        }

        // Up to the end, or to the brace that closes the hole.
        private void Code(bool inHole)
        {
            var open = 0;
            while (_at < text.Length)
            {
                if (Starts("//") || (text[_at] == '#' && IsFirstOfLine())) Blank(Until("\n", 0));
                else if (Starts("/*")) Blank(Until("*/", 2));
                else if (text[_at] == '\'') Character();
                else if (TryString()) continue;
                else if (inHole && text[_at] == '}' && open-- == 0) return;
                else if (text[_at++] == '{') open++;
            }
        }

        private void Character()
        {
            Blank(1);
            while (_at < text.Length && text[_at] != '\'') Blank(text[_at] == '\\' ? 2 : 1);
            Blank(1);
        }

        private bool TryString()
        {
            var start = _at;
            while (start < text.Length && text[start] is '$' or '@') start++;
            if (start == text.Length || text[start] != '"') return false;

            var prefix = text.AsSpan(_at, start - _at);
            var (dollars, isVerbatim) = (prefix.Count('$'), prefix.Contains('@'));
            Blank(prefix.Length);
            var quotes = Run('"');
            if (quotes >= 3 && !isVerbatim) Raw(quotes, dollars);
            else if (quotes == 2 && !isVerbatim) Blank(2);
            else Quoted(dollars > 0, isVerbatim);
            return true;
        }

        private void Quoted(bool hasHoles, bool isVerbatim)
        {
            Blank(1);
            while (_at < text.Length)
            {
                if (text[_at] == '"' && !(isVerbatim && Starts("\"\""))) break;
                if (hasHoles && text[_at] == '{' && !Starts("{{")) Hole(1);
                else Blank(text[_at] == '"' || (text[_at] == '\\' && !isVerbatim) || Starts("{{") ? 2 : 1);
            }

            Blank(1);
        }

        private void Raw(int quotes, int dollars)
        {
            Blank(quotes);
            while (_at < text.Length && Run('"') < quotes)
            {
                var braces = Run('{');
                if (dollars > 0 && braces >= dollars) Hole(braces);
                else Blank(Math.Max(1, braces));
            }

            Blank(quotes);
        }

        private void Hole(int braces)
        {
            Blank(braces);
            Code(inHole: true);
            Blank(braces);
        }

        private bool Starts(string what) => text.AsSpan(_at).StartsWith(what, StringComparison.Ordinal);

        private int Run(char one)
        {
            var length = text.AsSpan(_at).IndexOfAnyExcept(one);
            return length < 0 ? text.Length - _at : length;
        }

        private int Until(string what, int more)
        {
            var length = text.AsSpan(_at).IndexOf(what, StringComparison.Ordinal);
            return length < 0 ? text.Length - _at : length + more;
        }

        private bool IsFirstOfLine() => text.AsSpan(0, _at).TrimEnd(' ') is var before && (before.IsEmpty || before[^1] == '\n');

        private void Blank(int count)
        {
            for (var end = Math.Min(_at + count, text.Length); _at < end; _at++)
                if (text[_at] != '\n') _code[_at] = ' ';
        }
    }
}
