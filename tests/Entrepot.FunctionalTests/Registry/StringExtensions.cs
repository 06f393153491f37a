namespace Entrepot.FunctionalTests.Registry;

internal static class StringExtensions
{
    /// <summary>What stands before and after the first <paramref name="separator"/>; all is before it if there is none.</summary>
    public static (string Before, bool Found, string After) Partition(this string text, char separator)
    {
        var at = text.IndexOf(separator, StringComparison.Ordinal);
        return at < 0 ? (text, false, "") : (text[..at], true, text[(at + 1)..]);
    }
}
