namespace Entrepot.Server.Options;

/// <summary>One thing that is wrong with the options, fit to be printed as one line. Never holds a secret.</summary>
/// <param name="Origin">Where the value was written: <c>file:line</c>, <c>environment NAME</c>, <c>flag --name</c>, <c>default</c>.</param>
/// <param name="Path">Which option, e.g. <c>upstreams[0].tagTtl</c>; empty if it is about the whole file.</param>
/// <param name="Text">What is wrong and what is allowed.</param>
internal sealed record Problem(string Origin, string Path, string Text)
{
    private const int MaxShown = 80;

    public override string ToString() => Path.Length == 0 ? $"{Origin}: {Text}" : $"{Origin}: {Path}: {Text}";

    /// <summary>A text that somebody wrote, quoted so that it stays on one line and gives away no password.</summary>
    public static string Quote(string text) =>
        MayHoldPassword(text) ? "the value (not shown: it may hold a password)" : $"'{OneLine(text)}'";

    /// <summary>A key that somebody wrote, to be part of a path; as careful as <see cref="Quote"/>.</summary>
    public static string Key(string text) => MayHoldPassword(text) ? "(a key that may hold a password)" : OneLine(text);

    // A URL with credentials is refused, so it may well end up here.
    private static bool MayHoldPassword(string text) => text.Contains('@');

    private static string OneLine(string text)
    {
        var line = string.Concat(text.Take(MaxShown).Select(c => char.IsControl(c) ? '?' : c));
        return text.Length > MaxShown ? line + '…' : line;
    }
}
