using System.Text.Json;
using Entrepot.Oci;

namespace Entrepot.Bundles;

/// <summary>Reads a document of a bundle and gathers everything that is wrong with it. Used by one task.</summary>
/// <remarks>
/// Nothing is completed, folded or passed over: what is not understood may have come from somebody who means harm, or from a newer version.
/// </remarks>
internal sealed class StrictJson
{
    /// <summary>Most problems that are named of one document; that of a wrong kind has as many as it has lines.</summary>
    public const int MaxProblems = 20;

    /// <summary>Most bytes of one blob: far from where a sum of a million would not fit in 64 bits.</summary>
    public const long MaxBlobBytes = 1L << 43;

    private static readonly JsonDocumentOptions Options = new() { AllowDuplicateProperties = false, MaxDepth = 16 };

    private readonly List<string> _problems = [];

    /// <summary>What is wrong, each with where it stands and what is allowed; empty if nothing is.</summary>
    public IReadOnlyList<string> Problems => _problems;

    /// <summary>Reads a document whose root is an object.</summary>
    /// <param name="json">Its bytes.</param>
    /// <param name="mostBytes">How many are allowed.</param>
    /// <returns>The document, which the caller disposes; <see langword="null"/> with a problem if it is none.</returns>
    public JsonDocument? Open(ReadOnlyMemory<byte> json, int mostBytes)
    {
        if (json.Length > mostBytes)
        {
            Add("", $"{json.Length} bytes; at most {mostBytes} are allowed");
            return null;
        }

        try
        {
            var document = JsonDocument.Parse(json, Options);
            if (document.RootElement.ValueKind is JsonValueKind.Object) return document;
            document.Dispose();
            Add("", "not a JSON object");
        }
        catch (Exception fault) when (fault is JsonException or InvalidOperationException)   // InvalidOperation: a name that is not text
        {
            Add("", $"not JSON: {fault.Message}");
        }

        return null;
    }

    /// <summary>Something else that is wrong.</summary>
    /// <param name="path">Where; empty for the whole.</param>
    /// <param name="what">What it is and what is allowed.</param>
    public void Add(string path, string what)
    {
        if (_problems.Count < MaxProblems) _problems.Add(path.Length == 0 ? what : $"{path}: {what}");
        else if (_problems.Count == MaxProblems) _problems.Add("and more");
    }

    /// <summary>Names the members of an object that are not among these.</summary>
    public void OnlyHas(JsonElement of, string path, params ReadOnlySpan<string> allowed)
    {
        foreach (var member in of.EnumerateObject())
        {
            if (NameOf(member) is not { } name) Add(path.TrimEnd('.'), "has a name that is not text");
            else if (!allowed.Contains(name)) Add($"{path}{Shown(name)}", "is not known; is it of a newer version?");
        }
    }

    /// <summary>A whole number within bounds; 0 with a problem if it is not.</summary>
    public long Number(JsonElement of, string name, string path, long least, long most)
    {
        if (of.TryGetProperty(name, out var value) && value.ValueKind is JsonValueKind.Number && value.TryGetInt64(out var number) && number >= least && number <= most)
            return number;
        Add(path + name, $"a whole number from {least} to {most} is missing");
        return 0;
    }

    /// <summary>A text; empty with a problem if it is none.</summary>
    /// <param name="of">The object that has it.</param>
    /// <param name="name">The member.</param>
    /// <param name="path">The object's path.</param>
    /// <param name="isAllowed">Whether it may be this.</param>
    /// <param name="what">What is allowed.</param>
    public string Text(JsonElement of, string name, string path, Func<string, bool> isAllowed, string what)
    {
        if (of.TryGetProperty(name, out var value) && TextOf(value) is { } text && isAllowed(text)) return text;
        Add(path + name, $"{what} is missing");
        return "";
    }

    /// <summary>A digest; <c>default</c> with a problem if it is none.</summary>
    public Digest Name(JsonElement of, string name, string path)
    {
        var text = Text(of, name, path, text => Digest.TryParse(text, out _), "a digest");
        return Digest.TryParse(text, out var digest) ? digest : default;
    }

    /// <summary>A list of at most so many elements, read one by one; empty with a problem if it is none.</summary>
    /// <param name="of">The object that has it.</param>
    /// <param name="name">The member.</param>
    /// <param name="path">The object's path.</param>
    /// <param name="most">How many are allowed.</param>
    /// <param name="read">Reads an element with its path, which ends in a dot for an object's members.</param>
    public IReadOnlyList<T> List<T>(JsonElement of, string name, string path, int most, Func<JsonElement, string, T> read)
    {
        if (!of.TryGetProperty(name, out var list) || list.ValueKind is not JsonValueKind.Array)
        {
            Add(path + name, "a list is missing");
            return [];
        }

        if (list.GetArrayLength() > most)
        {
            Add(path + name, $"{list.GetArrayLength()} elements; at most {most} are allowed");
            return [];
        }

        var elements = new List<T>(list.GetArrayLength());
        foreach (var element in list.EnumerateArray()) elements.Add(read(element, $"{path}{name}[{elements.Count}]"));
        return elements;
    }

    /// <summary>Whether an element is an object; a problem if it is not.</summary>
    public bool IsObject(JsonElement element, string path)
    {
        if (element.ValueKind is JsonValueKind.Object) return true;
        Add(path, "is not an object");
        return false;
    }

    /// <summary>The text of an element; <see langword="null"/> if it is none.</summary>
    public static string? TextOf(JsonElement element)
    {
        try
        {
            return element.ValueKind is JsonValueKind.String ? element.GetString() : null;
        }
        catch (InvalidOperationException)   // half a surrogate pair
        {
            return null;
        }
    }

    private static string? NameOf(JsonProperty member)
    {
        try
        {
            return member.Name;
        }
        catch (InvalidOperationException)   // bytes that are not UTF-8
        {
            return null;
        }
    }

    // Somebody else's text, on one line.
    private static string Shown(string name) => string.Concat(name.Take(40).Select(c => char.IsControl(c) ? '?' : c));
}
