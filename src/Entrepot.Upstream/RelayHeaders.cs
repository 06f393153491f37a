using System.Globalization;
using Entrepot.Pull;

namespace Entrepot.Upstream;

/// <summary>Reads what other caches said of an answer. Pure.</summary>
internal static class RelayHeaders
{
    // Some ten caches; what is longer is not passed on, and none of it is made up by leaving a part out.
    private const int MostStatus = 1024;

    // RFC 9111, section 1.2.2: what is larger than this is told as this.
    private const long MostSeconds = 1L << 31;

    /// <summary>What they said; <see langword="null"/> if nothing that can be used.</summary>
    /// <param name="status">The lines of <c>Cache-Status</c>.</param>
    /// <param name="age">The lines of <c>Age</c>.</param>
    public static Relay? Read(IEnumerable<string> status, IEnumerable<string> age)
    {
        var (members, seconds) = (StatusOf(status), AgeOf(age));
        return members is null && seconds is null ? null : new Relay(members, seconds);
    }

    private static string? StatusOf(IEnumerable<string> lines)
    {
        var members = string.Join(", ", lines.Select(line => line.Trim(' ', ',')).Where(line => line.Length > 0));
        return members.Length is > 0 and <= MostStatus && IsClosed(members) ? members : null;
    }

    // Visible, and no string left open: a member that follows would become part of it.
    private static bool IsClosed(string members)
    {
        var (quoted, escaped) = (false, false);
        foreach (var letter in members)
        {
            if (letter is < ' ' or > '~') return false;
            if (escaped) escaped = false;
            else if (letter == '\\') escaped = quoted;
            else if (letter == '"') quoted = !quoted;
        }
        return !quoted;
    }

    // A list's first member counts, although there should be none.
    private static TimeSpan? AgeOf(IEnumerable<string> lines)
    {
        var text = (lines.FirstOrDefault() ?? "").Split(',')[0].Trim();
        if (text.Length == 0 || !text.All(char.IsAsciiDigit)) return null;
        return TimeSpan.FromSeconds(long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var seconds) ? Math.Min(seconds, MostSeconds) : MostSeconds);
    }
}
