namespace Entrepot.Upstream;

/// <summary>Text of others, made fit for a message. Pure.</summary>
internal static class Plain
{
    private const int Most = 200;

    /// <summary>One line of at most 200 characters without control characters.</summary>
    public static string Line(string text)
    {
        var cut = text.Length > Most ? text.AsSpan(0, Most) : text.AsSpan();
        return string.Concat(cut.ToString().Where(c => !char.IsControl(c) && !char.IsSurrogate(c)));
    }
}
