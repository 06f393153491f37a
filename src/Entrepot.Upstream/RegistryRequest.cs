using System.Globalization;
using System.Net.Http.Headers;
using Entrepot.Pull;

namespace Entrepot.Upstream;

/// <summary>What is asked of a registry, apart from where it is and who asks. It can be sent any number of times.</summary>
/// <param name="Kind">For metrics: <c>manifest</c>, <c>blob</c>, <c>tags</c> or <c>referrers</c>.</param>
/// <param name="Method">GET or HEAD.</param>
/// <param name="Path">Path and query, from the first slash on.</param>
/// <param name="Repository">The repository that a token must allow to pull from.</param>
internal sealed record RegistryRequest(string Kind, HttpMethod Method, string Path, string Repository)
{
    /// <summary>Media types to be sent as <c>Accept</c>.</summary>
    public IReadOnlyList<string> Accept { get; init; } = ["*/*"];

    /// <summary>The bytes wanted; <see langword="null"/> for all.</summary>
    public ByteRange? Range { get; init; }

    /// <summary>Sent as If-Range together with a range.</summary>
    public string? Validator { get; init; }

    /// <summary>Addresses whose bytes were wrong: asked last.</summary>
    public IReadOnlyCollection<string> Distrusted { get; init; } = [];

    /// <summary>Whether somebody waits for the answer.</summary>
    public Demand Demand { get; init; } = Demand.Always;

    public HttpRequestMessage ToMessage(Uri address)
    {
        var message = Wire.NewMessage(Method, address);
        foreach (var type in Accept) message.Headers.TryAddWithoutValidation("Accept", type);
        if (Range is not { } range) return message;

        message.Headers.TryAddWithoutValidation("Range", range.ToString());
        if (Validator is not null) message.Headers.TryAddWithoutValidation("If-Range", Validator);
        return message;
    }
}

/// <summary>Consecutive bytes of a blob.</summary>
/// <param name="Offset">The first.</param>
/// <param name="End">The first no longer wanted; <see langword="null"/> for all the rest.</param>
internal readonly record struct ByteRange(long Offset, long? End)
{
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"bytes={Offset}-{End - 1}");

    /// <summary>What part of the blob a 206 carries; <see langword="null"/> if it says nothing usable about it.</summary>
    public ContentRangeHeaderValue? Carried(HttpContentHeaders headers)
    {
        var range = headers.ContentRange;
        if (range is not { HasRange: true, Unit: "bytes" } || range.From > Offset) return null;
        var fits = headers.ContentLength is not { } length || length == range.To - range.From + 1;
        return fits ? range : null;
    }
}
