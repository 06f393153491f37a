namespace Entrepot.Server.Options;

/// <summary>Finds the word that somebody probably meant. Pure.</summary>
internal static class NearMiss
{
    private const int MaxWord = 64;
    private const int MaxEdits = 2;

    /// <summary><c>; did you mean X?</c> for the nearest known word, or nothing if none is near.</summary>
    public static string Hint(string word, IEnumerable<string> known) => Find(word, known) is { } near ? $"; did you mean {near}?" : "";

    /// <summary>The known word that is at most two edits away, case aside; <see langword="null"/> if there is none.</summary>
    public static string? Find(string word, IEnumerable<string> known)
    {
        if (word.Length > MaxWord) return null;

        // Two edits turn any word of three letters into most others.
        var allowed = word.Length <= 3 ? 1 : MaxEdits;
        var (edits, near) = known
            .Select(candidate => (Edits: Edits(word.ToLowerInvariant(), candidate.ToLowerInvariant()), Word: candidate))
            .DefaultIfEmpty((Edits: int.MaxValue, Word: ""))
            .MinBy(pair => pair.Edits);
        return edits <= allowed ? near : null;
    }

    /// <summary>How many letters have to be changed, added or removed to turn one word into the other.</summary>
    internal static int Edits(string from, string to)
    {
        var row = Enumerable.Range(0, to.Length + 1).ToArray();
        for (var i = 1; i <= from.Length; i++)
        {
            var diagonal = row[0];
            row[0] = i;
            for (var j = 1; j <= to.Length; j++)
            {
                var replaced = diagonal + (from[i - 1] == to[j - 1] ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.Min(replaced, 1 + Math.Min(row[j], row[j - 1]));
            }
        }

        return row[to.Length];
    }
}
