namespace Entrepot.Server.Options;

/// <summary>Applies what was written, key by key, in the order it was written.</summary>
internal static class OptionWalk
{
    /// <summary>Sets every option that a map names; unknown keys and bad values become problems.</summary>
    /// <param name="specs">The options there are.</param>
    /// <param name="map">What was written.</param>
    /// <param name="target">What to set them in.</param>
    /// <param name="prefix">The map's own path as people see it, with its dot; empty at the top.</param>
    /// <param name="problems">Gets what is wrong.</param>
    public static TTarget Apply<TTarget>(
        IReadOnlyList<OptionSpec<TTarget>> specs, RawMap map, TTarget target, string prefix, List<Problem> problems) =>
        Group(specs, map, target, "", prefix, problems);

    private static TTarget Group<TTarget>(
        IReadOnlyList<OptionSpec<TTarget>> specs, RawMap map, TTarget target, string group, string prefix, List<Problem> problems)
    {
        foreach (var (key, node) in map.Entries)
        {
            var path = group + key;
            // A dot within a key would be a second spelling of a level.
            if (!key.Contains('.') && specs.FirstOrDefault(spec => spec.Path == path) is { } spec)
                target = node is RawNull ? target : spec.Apply(spec, target, node, prefix + path, problems);
            else if (!IsGroup(specs, path))
                problems.Add(new(node.Origin, prefix + group + Problem.Key(key), "is unknown" + NearMiss.Hint(key, KeysOf(specs, group))));
            else if (node is RawMap inner)
                target = Group(specs, inner, target, path + '.', prefix, problems);
            else if (node is not RawNull)
                problems.Add(new(node.Origin, prefix + path,
                    $"is {node.Kind} where a group of options belongs; allowed: {string.Join(", ", KeysOf(specs, path + '.'))}"));
        }

        return target;
    }

    private static bool IsGroup(IEnumerable<OptionSpec> specs, string path) =>
        specs.Any(spec => spec.Path.StartsWith(path + '.', StringComparison.Ordinal));

    private static IEnumerable<string> KeysOf(IEnumerable<OptionSpec> specs, string group) => specs
        .Where(spec => spec.Path.StartsWith(group, StringComparison.Ordinal))
        .Select(spec => spec.Path[group.Length..].Split('.')[0])
        .Distinct();
}
