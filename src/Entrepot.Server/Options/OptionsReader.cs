using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Entrepot.Server.Options;

/// <summary>Where the options of one start come from, weakest first: file, environment, flags.</summary>
/// <param name="File">The file's path; <see langword="null"/> if there is none.</param>
/// <param name="Environment">All variables of the process; those of others are passed over.</param>
/// <param name="Flags">The values of each flag that was given, by the option's path.</param>
internal sealed record OptionSources(
    string? File, IReadOnlyDictionary<string, string> Environment, IReadOnlyDictionary<string, IReadOnlyList<string>> Flags);

/// <summary>What came of reading the options.</summary>
/// <param name="Options">Complete; to be used only if there are no problems.</param>
/// <param name="Problems">Everything that is wrong; empty if all is well.</param>
/// <param name="Warnings">What was passed over and may be a mistake, one sentence each.</param>
/// <param name="Values">What was written and where, all sources laid over each other.</param>
internal sealed record OptionsResult(
    EntrepotOptions Options, IReadOnlyList<Problem> Problems, IReadOnlyList<string> Warnings, RawMap Values);

/// <summary>Reads the options once, at start, and finds everything that is wrong with them.</summary>
internal static class OptionsReader
{
    // A thousand times what the options of a large site take; not a log file given by mistake.
    private const int MaxFileBytes = 1 << 20;

    private static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>Reads the file, lays environment and flags over it, and checks all of it together.</summary>
    public static OptionsResult Read(OptionSources sources)
    {
        var problems = new List<Problem>();
        var warnings = new List<string>();

        var values = sources.File is { } file ? ReadFile(file, problems) : new RawMap("default", []);
        values = EnvironmentReader.Overlay(values, sources.Environment, problems, warnings);
        values = OverlayFlags(values, sources.Flags);

        var options = WarmList.Located(OptionWalk.Apply(OptionTable.All, values, new EntrepotOptions(), "", problems), sources.File);
        CheckListeners(options, values, problems);
        CheckDefaultUpstream(options, values, problems);
        return new OptionsResult(options, problems, warnings, values);
    }

    private static RawMap ReadFile(string path, List<Problem> problems)
    {
        var text = "";
        try
        {
            // Read as far as the limit rather than measured: a pipe has no length.
            using var file = new FileStream(path, FileMode.Open, FileAccess.Read);
            var content = new byte[MaxFileBytes + 1];
            var count = file.ReadAtLeast(content, content.Length, throwOnEndOfStream: false);
            if (count > MaxFileBytes) problems.Add(new(path, "", "cannot be the options: it is larger than 1 MiB"));
            else text = StrictUtf8.GetString(content, 0, count).TrimStart('\uFEFF');
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NotSupportedException or ArgumentException)
        {
            problems.Add(new(path, "", $"cannot be read: {Reason(e)}"));
        }

        return YamlReader.Read(path, text, problems);
    }

    private static string Reason(Exception e) => e switch
    {
        FileNotFoundException or DirectoryNotFoundException => "there is no such file",
        DecoderFallbackException => "it is not UTF-8 text",
        UnauthorizedAccessException => "it is a directory, or this user may not read it",
        _ => e.Message.ReplaceLineEndings(" "),
    };

    private static RawMap OverlayFlags(RawMap values, IReadOnlyDictionary<string, IReadOnlyList<string>> flags)
    {
        foreach (var spec in OptionTable.All)
        {
            if (!flags.TryGetValue(spec.Path, out var texts)) continue;
            var origin = $"flag --{spec.Path}";
            RawNode value = spec.IsList
                ? EnvironmentReader.CommaSeparated(origin, string.Join(',', texts))
                : new RawScalar(origin, texts[^1]);
            Step[] path = [.. spec.Path.Split('.').Select(key => new Step(key))];
            values = (RawMap)RawNode.Put(values, path, value)!;
        }

        return values;
    }

    private static void CheckListeners(EntrepotOptions options, RawMap values, List<Problem> problems)
    {
        if (options.Listen.Count == 0)
            problems.Add(new(OriginOf(values, "listen"), "listen", "is an empty list; at least one address is needed"));

        var listeners = options.Listen.Select(text => ("listen", text)).Append(("admin", options.Admin));
        if (options.Metrics is { } metrics) listeners = listeners.Append(("metrics", metrics));
        var taken = new List<(IPEndPoint Endpoint, string Path, string Text)>();
        foreach (var (path, text) in listeners)
        {
            if (!Parsers.TryParseEndpoint(text, out var endpoint)) continue;
            if (taken.Find(other => Overlap(other.Endpoint, endpoint)) is { Text: { } earlier } other)
                problems.Add(new(OriginOf(values, path), path,
                    $"'{text}' takes the same port as '{earlier}' of {other.Path}; each needs its own"));
            else
                taken.Add((endpoint, path, text));
        }
    }

    // Port 0 takes a free one each time. [::] takes the port of every IPv4 address as well.
    private static bool Overlap(IPEndPoint a, IPEndPoint b) =>
        a.Port == b.Port && a.Port != 0 && (a.Address.Equals(b.Address) || Covers(a.Address, b.Address) || Covers(b.Address, a.Address));

    private static bool Covers(IPAddress wildcard, IPAddress address) =>
        wildcard.Equals(IPAddress.IPv6Any) || (wildcard.Equals(IPAddress.Any) && address.AddressFamily == AddressFamily.InterNetwork);

    private static void CheckDefaultUpstream(EntrepotOptions options, RawMap values, List<Problem> problems)
    {
        // What is wrong with the list would only be said a second time.
        if (problems.Any(problem => problem.Path.StartsWith("upstreams", StringComparison.Ordinal))) return;
        var names = options.Upstreams.Select(upstream => upstream.Name).ToList();
        if (names.Contains(options.DefaultUpstream)) return;
        problems.Add(new(OriginOf(values, "defaultUpstream"), "defaultUpstream",
            $"{Problem.Quote(options.DefaultUpstream)} is not a configured upstream; allowed: {string.Join(", ", names)}"
            + NearMiss.Hint(options.DefaultUpstream, names)));
    }

    private static string OriginOf(RawMap values, string key) => values.Find(key)?.Origin ?? "default";
}
