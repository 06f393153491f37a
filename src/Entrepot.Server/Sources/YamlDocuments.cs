using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace Entrepot.Server.Sources;

/// <summary>A value of somebody's YAML: a text, a list or a map. Aliases share their value. Immutable once read.</summary>
/// <param name="Line">Where it begins.</param>
internal abstract record YamlValue(long Line);

/// <summary>A text; <see langword="null"/> in <paramref name="Text"/> where nothing is written.</summary>
internal sealed record YamlText(long Line, string? Text) : YamlValue(Line);

/// <summary>Values in order.</summary>
internal sealed record YamlList(long Line, IReadOnlyList<YamlValue> Items) : YamlValue(Line);

/// <summary>Values by key; of a key that is there twice the last.</summary>
internal sealed record YamlMap(long Line, IReadOnlyDictionary<string, YamlValue> Entries) : YamlValue(Line)
{
    private const string Merge = "<<";
    private const int MostMerges = 16;

    /// <summary>The value of a key: its own, or what it merges; <see langword="null"/> if there is none.</summary>
    public YamlValue? Find(string key) => Find(key, MostMerges);

    /// <summary>As <see cref="Find(string)"/>, of a text.</summary>
    public YamlText? FindText(string key) => Find(key) is YamlText { Text.Length: > 0 } text ? text : null;

    private YamlValue? Find(string key, int depth)
    {
        if (Entries.TryGetValue(key, out var own)) return own;
        if (depth == 0 || !Entries.TryGetValue(Merge, out var merged)) return null;
        IReadOnlyList<YamlValue> merges = merged is YamlList list ? list.Items : [merged];
        return merges.OfType<YamlMap>().Select(map => map.Find(key, depth - 1)).FirstOrDefault(value => value is not null);
    }
}

/// <summary>Reads the documents of any YAML, JSON among it. What stands where the grammar breaks is told with its line; the documents before that are there.</summary>
internal sealed class YamlDocuments
{
    // No file that people write comes near; without a limit one of brackets would overflow the stack.
    private const int MaxDepth = 100;

    private readonly Parser _parser;
    private readonly Dictionary<string, YamlValue> _anchors = [];
    private int _depth;

    private YamlDocuments(TextReader text) => _parser = new Parser(text);

    /// <summary>Reads a text.</summary>
    /// <param name="text">The text.</param>
    /// <param name="refuse">Told where and why it could not be read on.</param>
    public static IReadOnlyList<YamlValue> Read(string text, Action<long, string> refuse)
    {
        var documents = new List<YamlValue>();
        try
        {
            using var reader = new StringReader(text);
            new YamlDocuments(reader).Read(documents);
        }
        catch (YamlException e)
        {
            refuse(e.Start.Line, $"is not YAML: {e.Message.ReplaceLineEndings(" ").TrimEnd('.')}");
        }
        catch (Exception e) when (e is InvalidOperationException or ArgumentException or FormatException)   // the parser's own, on texts that no grammar knows
        {
            refuse(0, $"is not YAML: {e.Message.ReplaceLineEndings(" ").TrimEnd('.')}");
        }

        return documents;
    }

    private void Read(List<YamlValue> documents)
    {
        _parser.Consume<StreamStart>();
        while (!_parser.TryConsume<StreamEnd>(out _))
        {
            _parser.Consume<DocumentStart>();
            _anchors.Clear();
            documents.Add(Value());
            _parser.Consume<DocumentEnd>();
        }
    }

    private YamlValue Value()
    {
        if (++_depth > MaxDepth) throw new YamlException(_parser.Current!.Start, _parser.Current.End, "it is nested too deeply");
        YamlValue value;
        if (_parser.TryConsume<AnchorAlias>(out var alias))
        {
            // Known only once it is complete, so that nothing contains itself.
            if (!_anchors.TryGetValue(alias.Value.Value, out value!)) throw new YamlException(alias.Start, alias.End, "the text after * names no anchor above");
        }
        else
        {
            var anchor = (_parser.Current as NodeEvent)?.Anchor ?? default;
            value = Plain();
            if (!anchor.IsEmpty) _anchors[anchor.Value] = value;
        }

        _depth--;
        return value;
    }

    private YamlValue Plain()
    {
        var line = _parser.Current!.Start.Line;
        if (_parser.TryConsume<Scalar>(out var scalar))
            return new YamlText(line, scalar is { Style: ScalarStyle.Plain, Tag.IsEmpty: true, Value: "" or "~" or "null" or "Null" or "NULL" } ? null : scalar.Value);
        if (_parser.TryConsume<SequenceStart>(out _))
        {
            var items = new List<YamlValue>();
            while (!_parser.TryConsume<SequenceEnd>(out _)) items.Add(Value());
            return new YamlList(line, items);
        }

        _parser.Consume<MappingStart>();
        var entries = new Dictionary<string, YamlValue>();
        while (!_parser.TryConsume<MappingEnd>(out _))
        {
            // Keys that are no texts are nothing that anybody asks for.
            var key = Value();
            var value = Value();
            if (key is YamlText { Text: { } name }) entries[name] = value;
        }

        return new YamlMap(line, entries);
    }
}
