namespace Entrepot.Server.Options;

/// <summary>Reads <c>warm</c>: each entry, and what holds between entries. Pure.</summary>
internal static class WarmList
{
    private const int Most = 100;

    private static readonly WarmSchedule Blank = new("", default, "", false);

    /// <summary>The options with the listed schedules.</summary>
    public static EntrepotOptions Apply(OptionSpec spec, EntrepotOptions options, RawNode node, string path, List<Problem> problems)
    {
        if (node is not RawList list)
        {
            problems.Add(spec.Refuse(node, path, $"is {node.Kind} where a list belongs"));
            return options;
        }

        if (list.Items.Count > Most) problems.Add(spec.Refuse(node, path, $"has {list.Items.Count} entries"));
        var schedules = new List<WarmSchedule>();
        for (var i = 0; i < list.Items.Count; i++)
            if (Read(spec, list.Items[i], $"{path}[{i}]", schedules, problems) is { } schedule) schedules.Add(schedule);
        return options with { Warm = schedules };
    }

    /// <summary>The options with the files of schedules made absolute.</summary>
    /// <param name="options">The options.</param>
    /// <param name="file">The options' file; <see langword="null"/> if there is none, and then paths begin where the process does.</param>
    public static EntrepotOptions Located(EntrepotOptions options, string? file)
    {
        if (options.Warm.Count == 0) return options;
        var folder = Path.GetDirectoryName(Path.GetFullPath(file ?? "options")) ?? "/";
        return options with { Warm = [.. options.Warm.Select(one => one with { From = Path.GetFullPath(one.From, folder) })] };
    }

    private static WarmSchedule? Read(OptionSpec spec, RawNode node, string path, List<WarmSchedule> earlier, List<Problem> problems)
    {
        if (node is not RawMap map)
        {
            problems.Add(spec.Refuse(node, path, node is RawNull ? "is empty" : $"is {node.Kind} where a group of options belongs"));
            return null;
        }

        var schedule = OptionWalk.Apply(OptionTable.Warm, map, Blank, path + '.', problems);
        if (!map.Has("from", out var from)) problems.Add(new(map.Origin, path + ".from", "is missing; every entry has a file that names images, e.g. images.txt"));
        if (!map.Has("every", out _)) problems.Add(new(map.Origin, path + ".every", "is missing; every entry says how often, e.g. 6h"));
        if (schedule.From.Length == 0 || schedule.Every == default) return null;
        if (earlier.Exists(other => other.From == schedule.From))
            problems.Add(new(from!.Origin, path + ".from", $"{Problem.Quote(schedule.From)} is given twice; give it once, with all platforms"));
        return schedule;
    }
}
