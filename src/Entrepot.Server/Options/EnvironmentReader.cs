using System.Globalization;

namespace Entrepot.Server.Options;

/// <summary>Lays environment variables over what the file says: <c>ENTREPOT_STORAGE__ROOT</c> is <c>storage.root</c>.</summary>
/// <remarks>
/// Names are matched ignoring case. A list of single values is given separated by commas, or item by item by position from 0.
/// An empty variable counts as not set, since that is what <c>${NAME:-}</c> in a compose file leaves. Pure.
/// </remarks>
internal static class EnvironmentReader
{
    /// <summary>Says which server commands talk to; no option, and not a mistake either.</summary>
    public const string ServerVariable = Prefix + "SERVER";

    private const string Prefix = "ENTREPOT_";
    private const string Origin = "environment ";

    // What Kubernetes injects into every container if a service is called "entrepot".
    private static readonly string[] Ignored = [Prefix + "PORT", Prefix + "SERVICE_"];

    /// <summary>The values with those of the environment over them.</summary>
    /// <param name="values">What the file says.</param>
    /// <param name="environment">All variables of the process.</param>
    /// <param name="problems">Gets positions that lie past the end of their list.</param>
    /// <param name="warnings">Gets a sentence for each name that is not an option.</param>
    public static RawMap Overlay(
        RawMap values, IReadOnlyDictionary<string, string> environment, List<Problem> problems, List<string> warnings)
    {
        var ours = environment.Keys
            .Where(name => name.StartsWith(Prefix, StringComparison.OrdinalIgnoreCase) && environment[name].Length > 0)
            .Where(name => !Ignored.Any(other => name.StartsWith(other, StringComparison.OrdinalIgnoreCase)))
            .Where(name => !name.Equals(ServerVariable, StringComparison.OrdinalIgnoreCase))
            .Select(name => new Variable(name, environment[name], name[Prefix.Length..].Split("__")))
            // Lists before their items, and items in the order of their numbers, however the process got them.
            .OrderBy(variable => string.Join(' ', variable.Parts.Select(part => part.PadLeft(10, '0'))), StringComparer.OrdinalIgnoreCase)
            // Two names that differ in case alone are one option: the same one wins at every start.
            .ThenBy(variable => variable.Name, StringComparer.Ordinal);

        foreach (var (name, value, parts) in ours)
        {
            var origin = Origin + name;
            if (Resolve(OptionTable.All, parts) is not var (path, spec))
                warnings.Add($"{origin} is not an option and is ignored{Hint(name)}");
            else if (RawNode.Put(values, path, Value(origin, value, spec, path)) is RawMap changed)
                values = changed;
            else
                problems.Add(new(origin, Shown(path), "its position is past the end of the list; positions count from 0 without gaps"));
        }

        return values;
    }

    private static RawNode Value(string origin, string value, OptionSpec spec, Step[] path) =>
        spec.IsList && path[^1].Key is not null ? CommaSeparated(origin, value) : new RawScalar(origin, value);

    /// <summary>A list as it is written where there is only text.</summary>
    internal static RawList CommaSeparated(string origin, string text) =>
        new(origin, [.. text.Split(',', StringSplitOptions.TrimEntries).Select(item => new RawScalar(origin, item))]);

    private static (Step[] Path, OptionSpec Spec)? Resolve(IEnumerable<OptionSpec> specs, ReadOnlySpan<string> parts)
    {
        if (Match(specs, parts) is not var (path, spec, rest)) return null;
        if (spec.Entry.Count == 0) return Item(spec, rest, path);

        if (rest.Length < 2 || Position(rest[0]) is not { } position) return null;
        return Resolve(spec.Entry, rest.AsSpan(1)) is var (inner, option) ? ([.. path, new Step(null, position), .. inner], option) : null;
    }

    private static (Step[] Path, OptionSpec Spec)? Item(OptionSpec spec, string[] rest, Step[] path)
    {
        if (rest.Length == 0) return (path, spec);
        return spec.IsList && rest.Length == 1 && Position(rest[0]) is { } position ? ([.. path, new Step(null, position)], spec) : null;
    }

    // The option whose keys the parts begin with, and the parts after them.
    private static (Step[] Path, OptionSpec Spec, string[] Left)? Match(IEnumerable<OptionSpec> specs, ReadOnlySpan<string> parts)
    {
        foreach (var spec in specs)
        {
            var keys = spec.Path.Split('.');
            if (keys.Length > parts.Length) continue;
            if (string.Join('.', parts[..keys.Length]).Equals(spec.Path, StringComparison.OrdinalIgnoreCase))
                return ([.. keys.Select(key => new Step(key))], spec, parts[keys.Length..].ToArray());
        }

        return null;
    }

    private static int? Position(string text) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var position) ? position : null;

    private static string Shown(Step[] path) =>
        string.Concat(path.Select(step => step.Key is { } key ? $".{key}" : $"[{step.Position}]")).TrimStart('.');

    private static string Hint(string name) =>
        NearMiss.Hint(name, OptionTable.All.Where(spec => spec.Entry.Count == 0).Select(NameOf));

    /// <summary>Whether a value's origin is a variable.</summary>
    public static bool IsOrigin(string origin) => origin.StartsWith(Origin, StringComparison.Ordinal);

    /// <summary>The variable that sets an option of the appliance.</summary>
    internal static string NameOf(OptionSpec spec) => Prefix + spec.Path.Replace(".", "__", StringComparison.Ordinal).ToUpperInvariant();

    // A class: what sorts and filters values is compiled anew for each type of them when the program starts, and once for all classes.
    private sealed record Variable(string Name, string Value, string[] Parts);
}
