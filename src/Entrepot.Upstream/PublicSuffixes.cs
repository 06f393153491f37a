namespace Entrepot.Upstream;

/// <summary>The public suffix list: under which names anybody may register a domain. Immutable, safe for concurrent use.</summary>
internal sealed class PublicSuffixes
{
    private static readonly Lazy<PublicSuffixes> Embedded = new(Load);

    private readonly HashSet<string> _rules = [];
    private readonly HashSet<string> _wildcards = [];     // without their "*."
    private readonly HashSet<string> _exceptions = [];    // without their "!"

    /// <summary>Reads rules in the list's own form, one on a line; comments and blank lines are skipped.</summary>
    public PublicSuffixes(TextReader list)
    {
        while (list.ReadLine() is { } line)
        {
            var rule = line.Trim();
            if (rule.Length == 0 || rule.StartsWith("//", StringComparison.Ordinal)) continue;
            if (rule[0] == '!') _exceptions.Add(rule[1..]);
            else if (rule.StartsWith("*.", StringComparison.Ordinal)) _wildcards.Add(rule[2..]);
            else _rules.Add(rule);
        }
    }

    /// <summary>The list that this program was built with; read when first asked for.</summary>
    public static PublicSuffixes BuiltIn => Embedded.Value;

    /// <summary>
    /// The public suffix and one label before it: what one owner registered. <see langword="null"/> if the name is itself a public suffix.
    /// </summary>
    /// <param name="host">A lower-case name of letters, digits, hyphens and dots (IDNs in punycode).</param>
    public string? RegistrableDomain(string host)
    {
        // From the whole name to ever shorter ends: the first suffix found is the longest.
        string? owner = null;
        for (var name = host; ; owner = name, name = After(name))
        {
            if (_exceptions.Contains(name)) return name;
            if (_rules.Contains(name)) return owner;

            var parent = After(name);
            if (parent.Length == 0) return owner;   // the list's default rule: a top-level domain that it does not know
            if (_wildcards.Contains(parent)) return owner;
        }
    }

    private static string After(string name)
    {
        var dot = name.IndexOf('.', StringComparison.Ordinal);
        return dot < 0 ? "" : name[(dot + 1)..];
    }

    private static PublicSuffixes Load()
    {
        using var list = typeof(PublicSuffixes).Assembly.GetManifestResourceStream("public_suffix_list.dat")!;
        using var reader = new StreamReader(list);
        return new PublicSuffixes(reader);
    }
}
