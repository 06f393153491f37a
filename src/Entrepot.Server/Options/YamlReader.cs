using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace Entrepot.Server.Options;

/// <summary>Reads YAML into raw values with their lines. One document, whose top is a map; an empty file is an empty map.</summary>
/// <remarks>
/// Built on the parser's events and not on a document model, which gives up at the first key that is there twice; here every
/// such key is named. Used once. No message shows a value: what stands where the grammar breaks may be a password.
/// </remarks>
internal sealed class YamlReader
{
    // Ours has four; without a limit a file of brackets would overflow the stack.
    private const int MaxDepth = 32;

    private readonly string _path;
    private readonly List<Problem> _problems;
    private readonly Parser _parser;
    private readonly Dictionary<string, RawNode> _anchors = [];
    private int _depth;

    private YamlReader(string path, TextReader text, List<Problem> problems)
    {
        _path = path;
        _problems = problems;
        _parser = new Parser(text);
    }

    /// <summary>Reads a whole file.</summary>
    /// <param name="path">The file's name, for origins.</param>
    /// <param name="text">What is in it.</param>
    /// <param name="problems">Gets what is wrong with the YAML and which keys are there twice.</param>
    /// <returns>What could be read; empty if the YAML is broken.</returns>
    public static RawMap Read(string path, string text, List<Problem> problems)
    {
        var empty = new RawMap(path, []);
        using var reader = new StringReader(text);
        var yaml = new YamlReader(path, reader, problems);
        try
        {
            return yaml.Document() ?? empty;
        }
        catch (YamlException e)
        {
            problems.Add(new($"{path}:{e.Start.Line}", "", $"is not YAML: {Reason(e)}"));
            return empty;
        }
        catch (Exception fault) when (fault is InvalidOperationException or ArgumentException or FormatException)   // the parser's own: some colons in a text that goes on below; a tag that is no address
        {
            problems.Add(new($"{path}:{yaml._parser.Current?.End.Line ?? 1}", "", "is not YAML: a text after this line cannot be read"));
            return empty;
        }
    }

    private RawMap? Document()
    {
        _parser.Consume<StreamStart>();
        if (_parser.TryConsume<StreamEnd>(out _)) return null;
        _parser.Consume<DocumentStart>();
        var node = Node(origin: null);
        _parser.Consume<DocumentEnd>();
        if (_parser.Accept<DocumentStart>(out var second))
            _problems.Add(new(At(second), "", "a second document begins here; the options are one document"));

        if (node is not (RawMap or RawNull)) _problems.Add(new(node.Origin, "", $"the file is {node.Kind}; it must be a group of options"));
        return node as RawMap;
    }

    private RawNode Node(string? origin)
    {
        if (++_depth > MaxDepth) throw new YamlException(_parser.Current!.Start, _parser.Current.End, "it is nested too deeply");
        var node = _parser.Current switch
        {
            AnchorAlias => Alias(),
            NodeEvent { Anchor.IsEmpty: false } anchored => Anchored(anchored, origin),
            _ => Plain(origin),
        };
        _depth--;
        return node;
    }

    private RawNode Anchored(NodeEvent start, string? origin)
    {
        // Known only once it is complete, so that a node cannot contain itself.
        _anchors.Remove(start.Anchor.Value);
        return _anchors[start.Anchor.Value] = Plain(origin);
    }

    private RawNode Alias()
    {
        var alias = _parser.Consume<AnchorAlias>();
        return _anchors.TryGetValue(alias.Value.Value, out var node)
            ? node
            : throw new YamlException(alias.Start, alias.End,
                "the text after * names no anchor above; put a text that begins with * in quotes");
    }

    private RawNode Plain(string? origin)
    {
        origin ??= At(_parser.Current!);
        if (_parser.TryConsume<Scalar>(out var scalar)) return IsNull(scalar) ? new RawNull(origin) : new RawScalar(origin, scalar.Value);
        if (_parser.TryConsume<SequenceStart>(out _)) return List(origin);
        _parser.Consume<MappingStart>();
        return Map(origin);
    }

    private RawList List(string origin)
    {
        var items = new List<RawNode>();
        while (!_parser.TryConsume<SequenceEnd>(out _)) items.Add(Node(origin: null));
        return new RawList(origin, items);
    }

    private RawMap Map(string origin)
    {
        var entries = new List<KeyValuePair<string, RawNode>>();
        var lines = new Dictionary<string, string>();
        while (!_parser.TryConsume<MappingEnd>(out _))
        {
            if (!_parser.TryConsume<Scalar>(out var key))
                throw new YamlException(_parser.Current!.Start, _parser.Current.End, "a key must be a plain text");
            // A value is looked for on its key's line, also when it goes on below.
            var value = Node(At(key));
            if (lines.TryAdd(key.Value, At(key))) entries.Add(new(key.Value, value));
            else _problems.Add(new(At(key), "",
                $"the key {Problem.Quote(key.Value)} is given twice; it was given before at {lines[key.Value]}"));
        }

        return new RawMap(origin, entries);
    }

    private static bool IsNull(Scalar scalar) =>
        scalar is { Style: ScalarStyle.Plain, Tag.IsEmpty: true, Value: "" or "~" or "null" or "Null" or "NULL" };

    private string At(ParsingEvent part) => $"{_path}:{part.Start.Line}";

    private static string Reason(YamlException e) => e.Message.ReplaceLineEndings(" ").TrimEnd('.');
}
