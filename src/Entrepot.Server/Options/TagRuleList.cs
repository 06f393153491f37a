using Entrepot.Pull;
using Entrepot.Upstream;

namespace Entrepot.Server.Options;

/// <summary>Reads an upstream's <c>tags</c>: each entry, and what holds between entries. Pure.</summary>
internal static class TagRuleList
{
    // Every pull by tag may look at all of them.
    private const int Most = 100;

    private static readonly TagRule Blank = new("", Timeout.InfiniteTimeSpan);

    /// <summary>The options with the listed rules.</summary>
    public static UpstreamOptions Apply(OptionSpec spec, UpstreamOptions options, RawNode node, string path, List<Problem> problems)
    {
        if (node is not RawList list)
        {
            problems.Add(spec.Refuse(node, path, $"is {node.Kind} where a list belongs"));
            return options;
        }

        if (list.Items.Count > Most) problems.Add(spec.Refuse(node, path, $"has {list.Items.Count} entries"));
        var rules = new List<TagRule>();
        for (var i = 0; i < list.Items.Count; i++)
            if (Read(spec, list.Items[i], $"{path}[{i}]", rules, problems) is { } rule) rules.Add(rule);
        return options with { Freshness = options.Freshness with { Tags = rules } };
    }

    private static TagRule? Read(OptionSpec spec, RawNode node, string path, List<TagRule> earlier, List<Problem> problems)
    {
        if (node is not RawMap map)
        {
            problems.Add(spec.Refuse(node, path, node is RawNull ? "is empty" : $"is {node.Kind} where a group of options belongs"));
            return null;
        }

        var rule = OptionWalk.Apply(OptionTable.Tag, map, Blank, path + '.', problems);
        if (!map.Has("match", out var match)) problems.Add(new(map.Origin, path + ".match", "is missing; every entry says which tags it is about, e.g. v*"));
        if (!map.Has("tagTtl", out _)) problems.Add(new(map.Origin, path + ".tagTtl", "is missing; every entry says how long its tags stay fresh"));
        if (rule.Match.Length > 0 && earlier.Exists(other => other.Match == rule.Match))
            problems.Add(new(match!.Origin, path + ".match", $"{Problem.Quote(rule.Match)} is given twice; only the first could apply"));
        return rule;
    }
}
