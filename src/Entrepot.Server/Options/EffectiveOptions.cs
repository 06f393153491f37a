using System.Text.Json.Serialization;
using Entrepot.Upstream;

namespace Entrepot.Server.Options;

/// <summary>An option as it is in force.</summary>
/// <param name="Path">Which one; an upstream's begins with its name, e.g. <c>upstreams[docker.io].tagTtl</c>.</param>
/// <param name="Values">Its value as it was written, or its values; empty if it has none. A secret is <c>(set)</c>.</param>
/// <param name="Origin">Where it comes from: <c>default</c>, <c>file:line</c>, <c>environment NAME</c> or <c>flag --name</c>.</param>
internal sealed record EffectiveOption(string Path, IReadOnlyList<string> Values, string Origin)
{
    /// <summary>The origin of what nobody has set.</summary>
    public const string Default = "default";
}

/// <summary>The answer of <c>config check --output json</c>.</summary>
/// <param name="File">The options' file; <see langword="null"/> if there is none.</param>
/// <param name="Options">What is in force; empty if there are problems.</param>
/// <param name="Problems">Everything that is wrong.</param>
/// <param name="Warnings">What was passed over and may be a mistake, a sentence each.</param>
internal sealed record ConfigReport(
    string? File, IReadOnlyList<EffectiveOption> Options, IReadOnlyList<Problem> Problems, IReadOnlyList<string> Warnings);

/// <summary>How <see cref="ConfigReport"/> looks as JSON: camel case, nothing left out.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(ConfigReport))]
internal sealed partial class ConfigJson : JsonSerializerContext;

/// <summary>Tells the value of every option and where it was written, from what reading them has left. Pure.</summary>
internal static class EffectiveOptions
{
    private const string Hidden = "(set)";
    private const string Upstreams = "upstreams";

    /// <summary>Every option, in the order of the reference; each upstream's at their place.</summary>
    /// <param name="read">Options without problems.</param>
    public static IReadOnlyList<EffectiveOption> Of(OptionsResult read) =>
    [
        .. Entry(OptionTable.All.Where(spec => spec.Path != Upstreams), read.Values, ""),
        .. read.Options.Upstreams.SelectMany(upstream => Upstream(upstream, read.Values)),
    ];

    private static IEnumerable<EffectiveOption> Upstream(UpstreamOptions upstream, RawMap values)
    {
        var prefix = $"{Upstreams}[{upstream.Name}].";
        var given = (values.Find(Upstreams) as RawList)?.Items.OfType<RawMap>().FirstOrDefault(map => IsOf(map, upstream.Name));
        foreach (var option in Entry(OptionTable.Upstream, given ?? new RawMap(EffectiveOption.Default, []), prefix))
        {
            // The defaults of these two differ from upstream to upstream.
            if (option.Path == prefix + "name") yield return option with { Values = [upstream.Name] };
            else if (option.Path == prefix + "urls") yield return option with { Values = [.. upstream.Urls.Select(url => url.OriginalString)] };
            else yield return option;
        }
    }

    private static bool IsOf(RawMap map, string name) =>
        map.Find("name") is RawScalar given && given.Text.Equals(name, StringComparison.OrdinalIgnoreCase);

    private static IEnumerable<EffectiveOption> Entry(IEnumerable<OptionSpec> specs, RawMap map, string prefix)
    {
        foreach (var spec in specs)
        {
            if (spec.Entry.Count == 0 || At(map, spec.Path) is not RawList { Items.Count: > 0 } list)
            {
                yield return One(spec, map, prefix);
                continue;
            }

            for (var i = 0; i < list.Items.Count; i++)
                foreach (var option in Entry(spec.Entry, (RawMap)list.Items[i], $"{prefix}{spec.Path}[{i}].")) yield return option;
        }
    }

    private static EffectiveOption One(OptionSpec spec, RawMap map, string prefix)
    {
        var path = prefix + spec.Path;
        return At(map, spec.Path) switch
        {
            RawScalar scalar => new(path, [spec.IsSecret ? Hidden : scalar.Text], scalar.Origin),
            RawList list => new(path, [.. list.Items.OfType<RawScalar>().Select(item => item.Text)], OriginOf(list)),
            _ => new(path, spec.Default == "none" ? [] : [spec.Default], EffectiveOption.Default),
        };
    }

    private static RawNode? At(RawMap map, string path) =>
        path.Split('.').Aggregate((RawNode?)map, (node, key) => (node as RawMap)?.Find(key));

    // A list in the file may have items of the environment; its other lines are of no interest.
    private static string OriginOf(RawList list) =>
        string.Join(", ", list.Items.Select(item => item.Origin).Where(EnvironmentReader.IsOrigin).Prepend(list.Origin).Distinct());
}
