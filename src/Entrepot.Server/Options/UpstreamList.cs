using Entrepot.Upstream;

namespace Entrepot.Server.Options;

/// <summary>Reads <c>upstreams</c>: each entry, what holds between its options, and what holds between entries. Pure.</summary>
internal static class UpstreamList
{
    private static readonly UpstreamOptions Blank = new() { Name = "", Urls = [] };

    /// <summary>The options with the listed upstreams: in place of the well-known ones of the same name, new ones after them.</summary>
    public static EntrepotOptions Apply(OptionSpec spec, EntrepotOptions options, RawNode node, string path, List<Problem> problems)
    {
        if (node is not RawList list)
        {
            problems.Add(spec.Refuse(node, path, $"is {node.Kind} where a list belongs"));
            return options;
        }

        var given = new List<Given>();
        for (var i = 0; i < list.Items.Count; i++)
            if (Read(spec, list.Items[i], $"{path}[{i}]", problems) is { } upstream) given.Add(upstream);

        RefuseRepeated(given.Select(upstream => (upstream, upstream.Options.Name)), "name", problems);
        RefuseRepeated(given.SelectMany(upstream => upstream.Options.Hosts, (upstream, host) => (upstream, host)), "hosts", problems);
        return options with { Upstreams = Merge([.. given.Select(upstream => upstream.Options)]) };
    }

    private static Given? Read(OptionSpec spec, RawNode node, string path, List<Problem> problems)
    {
        if (node is not RawMap map)
        {
            problems.Add(spec.Refuse(node, path, node is RawNull ? "is empty" : $"is {node.Kind} where a group of options belongs"));
            return null;
        }

        var read = OptionWalk.Apply(OptionTable.Upstream, map, Blank, path + '.', problems);
        CheckAccount(map, path, problems);
        if (!map.Has("name", out _)) problems.Add(new(map.Origin, path + ".name", "is missing; every upstream has a name, e.g. docker.io"));
        if (map.Has("urls", out var urls) && urls is RawList { Items.Count: 0 })
            problems.Add(new(urls.Origin, path + ".urls", "is an empty list; leave it out, or give at least one address"));
        if (read.Name.Length == 0) return null;
        return new Given(map, path, map.Has("urls", out _) ? read : read with { Urls = DefaultUrls(read.Name) });
    }

    private static void CheckAccount(RawMap map, string path, List<Problem> problems)
    {
        AccountList.Check(map, path, problems);
        var hasName = map.Has("username", out _);
        var hasList = map.Has("accounts", out var accounts);
        if (hasName && map.Has("dockerConfig", out var config)) Refuse(config, "dockerConfig", "cannot be together with username; give one of them");
        if (hasList && hasName) Refuse(accounts!, "accounts", "cannot be together with username; list that account as well");
        if (hasList && map.Has("dockerConfig", out config)) Refuse(accounts!, "accounts", "cannot be together with dockerConfig; give one of them");

        void Refuse(RawNode node, string key, string what) => problems.Add(new(node.Origin, $"{path}.{key}", what));
    }

    private static void RefuseRepeated(IEnumerable<(Given Upstream, string Value)> values, string key, List<Problem> problems)
    {
        var first = new Dictionary<string, Given>();
        foreach (var (upstream, value) in values)
            if (!first.TryAdd(value, upstream))
                problems.Add(new(upstream.OriginOf(key), $"{upstream.Path}.{key}",
                    $"{Problem.Quote(value)} is given twice; it was given before at {first[value].OriginOf(key)}"));
    }

    private static IReadOnlyList<Uri> DefaultUrls(string name) =>
        EntrepotOptions.WellKnown.FirstOrDefault(known => known.Name == name)?.Urls ?? [new Uri($"https://{name}")];

    private static UpstreamOptions[] Merge(List<UpstreamOptions> given) =>
    [
        .. EntrepotOptions.WellKnown.Select(known => given.Find(upstream => upstream.Name == known.Name) ?? known),
        .. given.Where(upstream => EntrepotOptions.WellKnown.All(known => known.Name != upstream.Name)),
    ];

    private sealed record Given(RawMap Map, string Path, UpstreamOptions Options)
    {
        public string OriginOf(string key) => Map.Find(key)?.Origin ?? Map.Origin;
    }
}
