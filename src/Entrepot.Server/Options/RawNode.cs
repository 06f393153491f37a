using System.Diagnostics.CodeAnalysis;

namespace Entrepot.Server.Options;

/// <summary>A value as somebody wrote it, with where they wrote it; nothing has been understood yet.</summary>
/// <remarks>Immutable, and therefore safe to share between aliases. Its text may be a secret: no member prints it.</remarks>
internal abstract class RawNode(string origin)
{
    /// <summary>Where it was written: <c>file:line</c>, <c>environment NAME</c> or <c>flag --name</c>.</summary>
    public string Origin => origin;

    /// <summary>What it is, for a sentence such as "is a list".</summary>
    public abstract string Kind { get; }

    /// <summary>The tree with the value at <paramref name="path"/> replaced, everything else as in <paramref name="node"/>.</summary>
    /// <param name="node">What is there now; <see langword="null"/> if nothing is.</param>
    /// <param name="path">Which way down; empty replaces <paramref name="node"/> itself.</param>
    /// <param name="value">What to put there. Its origin becomes that of the maps and lists that have to be made.</param>
    /// <returns>
    /// <see langword="null"/> if a position lies past the end of its list. A text where a map or list belongs stays: it is a
    /// mistake, and what is laid over it must not hide it.
    /// </returns>
    public static RawNode? Put(RawNode? node, ReadOnlySpan<Step> path, RawNode value)
    {
        if (path.IsEmpty) return value;

        if (path[0].Key is { } key)
        {
            if (node is RawScalar or RawList) return node;
            var map = node as RawMap ?? new RawMap(value.Origin, []);
            return Put(map.Find(key), path[1..], value) is { } entry ? map.With(key, entry) : null;
        }

        if (node is RawScalar or RawMap) return node;
        var list = node as RawList ?? new RawList(value.Origin, []);
        var position = path[0].Position;
        if (position > list.Items.Count) return null;
        var old = position < list.Items.Count ? list.Items[position] : null;
        return Put(old, path[1..], value) is { } item ? list.With(position, item) : null;
    }
}

/// <summary>One step down a tree: into a map by key, or into a list by position if <paramref name="Key"/> is <see langword="null"/>.</summary>
internal readonly record struct Step(string? Key, int Position = 0);

/// <summary>Written, but left empty: the default stays.</summary>
internal sealed class RawNull(string origin) : RawNode(origin)
{
    public override string Kind => "empty";
}

/// <summary>One text.</summary>
internal sealed class RawScalar(string origin, string text) : RawNode(origin)
{
    public string Text => text;

    public override string Kind => "a single value";
}

/// <summary>Values in order.</summary>
internal sealed class RawList(string origin, IReadOnlyList<RawNode> items) : RawNode(origin)
{
    public IReadOnlyList<RawNode> Items => items;

    public override string Kind => "a list";

    /// <summary>This list with one item replaced, or added at its end.</summary>
    public RawList With(int position, RawNode item) =>
        new(Origin, [.. items.Take(position), item, .. items.Skip(position + 1)]);
}

/// <summary>Values by key, in the order they were written; a key is there once.</summary>
internal sealed class RawMap(string origin, IReadOnlyList<KeyValuePair<string, RawNode>> entries) : RawNode(origin)
{
    public IReadOnlyList<KeyValuePair<string, RawNode>> Entries => entries;

    public override string Kind => "a group of options";

    /// <summary>The value of a key; <see langword="null"/> if it is not there. Upper and lower case differ.</summary>
    public RawNode? Find(string key) => entries.FirstOrDefault(entry => entry.Key == key).Value;

    /// <summary>Whether a key was written with a value.</summary>
    public bool Has(string key, [NotNullWhen(true)] out RawNode? value)
    {
        value = Find(key);
        return value is not (null or RawNull);
    }

    /// <summary>This map with one value replaced in its place, or added at the end.</summary>
    public RawMap With(string key, RawNode value)
    {
        var entry = KeyValuePair.Create(key, value);
        return Find(key) is null
            ? new(Origin, [.. entries, entry])
            : new(Origin, [.. entries.Select(old => old.Key == key ? entry : old)]);
    }
}
