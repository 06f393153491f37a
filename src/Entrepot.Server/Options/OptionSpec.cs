namespace Entrepot.Server.Options;

/// <summary>One option as people see it: a row of the reference, a flag, a key of the file. Immutable.</summary>
/// <param name="Path">Its keys from the top, joined by dots; below <c>upstreams</c> from the upstream.</param>
/// <param name="Kind">What a value is, in one word, e.g. <c>duration</c>.</param>
/// <param name="Allowed">Which values are allowed: the end of "allowed: ".</param>
/// <param name="Default">The value it has when nobody sets it, as one would write it; or <c>none</c>.</param>
/// <param name="Summary">What it does, in one line.</param>
internal abstract record OptionSpec(string Path, string Kind, string Allowed, string Default, string Summary)
{
    /// <summary>Whether it takes several values.</summary>
    public bool IsList { get; init; }

    /// <summary>Whether no message may show its value.</summary>
    public bool IsSecret { get; init; }

    /// <summary>The options of one entry if the values are entries with keys of their own; otherwise empty.</summary>
    public IReadOnlyList<OptionSpec> Entry { get; init; } = [];

    /// <summary>The problem of a value that is not what this option allows.</summary>
    public Problem Refuse(RawNode node, string path, string what) => new(node.Origin, path, $"{what}; allowed: {Allowed}");
}

/// <summary>One option, and how it gets into <typeparamref name="TTarget"/>. Immutable.</summary>
/// <remarks><c>Apply</c> returns the target with the value set; on a bad value it adds problems and returns the target as it was.</remarks>
internal sealed record OptionSpec<TTarget>(string Path, string Kind, string Allowed, string Default, string Summary)
    : OptionSpec(Path, Kind, Allowed, Default, Summary)
{
    /// <summary>Sets the option from what was written at a path.</summary>
    public required Applier Apply { get; init; }

    /// <inheritdoc cref="Apply"/>
    internal delegate TTarget Applier(OptionSpec spec, TTarget target, RawNode node, string path, List<Problem> problems);

    /// <summary>How an option with one value is applied.</summary>
    public static Applier One<T>(TryParse<T> parse, Func<TTarget, T, TTarget> set) => (spec, target, node, path, problems) =>
        TryRead(spec, node, path, problems, parse, out var value) ? set(target, value) : target;

    /// <summary>How an option with several values is applied; none of them is set if one is bad.</summary>
    public static Applier Many<T>(
        TryParse<T> parse, Func<TTarget, IReadOnlyList<T>, TTarget> set) => (spec, target, node, path, problems) =>
    {
        if (node is not RawList list)
        {
            problems.Add(spec.Refuse(node, path, $"is {node.Kind} where a list belongs"));
            return target;
        }

        var values = new List<T>();
        for (var i = 0; i < list.Items.Count; i++)
            if (TryRead(spec, list.Items[i], $"{path}[{i}]", problems, parse, out var value)) values.Add(value);
        return values.Count == list.Items.Count ? set(target, values) : target;
    };

    private static bool TryRead<T>(OptionSpec spec, RawNode node, string path, List<Problem> problems, TryParse<T> parse, out T value)
    {
        value = default!;
        if (node is not RawScalar scalar)
        {
            problems.Add(spec.Refuse(node, path, node is RawNull ? "is empty" : $"is {node.Kind} where a single value belongs"));
            return false;
        }

        if (parse(scalar.Text, out value)) return true;
        var shown = scalar.Text.Length == 0 ? "an empty value" : spec.IsSecret ? "this value" : Problem.Quote(scalar.Text);
        problems.Add(spec.Refuse(node, path, $"{shown} is not allowed"));
        return false;
    }
}
