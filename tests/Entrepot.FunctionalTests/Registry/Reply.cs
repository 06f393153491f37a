using System.Text;

namespace Entrepot.FunctionalTests.Registry;

/// <summary>How the end of a body is told.</summary>
public enum Framing { Length, Chunked, UntilClose }

/// <summary>How a body that stops early ends.</summary>
public enum Ending { Close, Reset }

/// <summary>An answer with all that may be wrong with it on the wire. Immutable.</summary>
public sealed record Reply(int Status)
{
    public IReadOnlyList<(string Name, string Value)> Headers { get; init; } = [];

    public ReadOnlyMemory<byte> Body { get; init; }

    /// <summary>Where <see cref="Body"/> really begins in the blob that it is of.</summary>
    public long Offset { get; init; }

    /// <summary>The blob that <see cref="Body"/> is of; empty if it is of none.</summary>
    public ReadOnlyMemory<byte> Whole { get; init; }

    /// <summary>Body bytes a second; as fast as the connection takes them if <see langword="null"/>.</summary>
    public long? BytesPerSecond { get; init; }

    public Framing Framing { get; init; } = Framing.Length;

    /// <summary>The Content-Length that is sent; the body's own if <see langword="null"/>. A connection on which it is false is closed.</summary>
    public long? AnnouncedLength { get; init; }

    /// <summary>Body bytes after which the connection ends; all and keep-alive if <see langword="null"/>.</summary>
    public long? EndsAfter { get; init; }

    public Ending Ending { get; init; } = Ending.Close;

    /// <summary>Whether the connection ends in place of this answer.</summary>
    public bool IsLeftOut { get; init; }

    /// <summary>Held before the status line; passed once it lets any byte through.</summary>
    public Gate? BeforeHeaders { get; init; }

    /// <summary>Holds the body at the positions it says.</summary>
    public Gate? InBody { get; init; }

    public static Reply Json(int status, string text) =>
        new Reply(status).WithText(text, "application/json");

    /// <summary>An error in the OCI form.</summary>
    public static Reply Error(int status, string code) =>
        Json(status, $$"""{"errors":[{"code":"{{code}}","message":"scripted"}]}""");

    public Reply With(string name, string value) =>
        this with { Headers = [.. Headers.Where(header => !header.Name.Equals(name, StringComparison.OrdinalIgnoreCase)), (name, value)] };

    public Reply Without(string name) =>
        this with { Headers = [.. Headers.Where(header => !header.Name.Equals(name, StringComparison.OrdinalIgnoreCase))] };

    public Reply WithText(string text, string mediaType) =>
        (this with { Body = Encoding.UTF8.GetBytes(text) }).With("Content-Type", mediaType);
}
