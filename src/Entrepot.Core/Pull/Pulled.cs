using Entrepot.Oci;

namespace Entrepot.Pull;

/// <summary>Where an answer came from. The core says it; only the edge counts it.</summary>
public enum PullSource
{
    /// <summary>Stored, or verified and about to be, and fresh.</summary>
    Hit,

    /// <summary>Waited on another request's work.</summary>
    Joined,

    /// <summary>Asked the upstream for it.</summary>
    Fetched,

    /// <summary>A tag that its upstream confirmed.</summary>
    Revalidated,

    /// <summary>A tag that its upstream could not confirm.</summary>
    Stale,

    /// <summary>Passed through and not kept.</summary>
    Bypass,

    /// <summary>Told that there is no such thing.</summary>
    Missing,

    /// <summary>Told that the client, or this cache, may not have it.</summary>
    Denied,

    /// <summary>Anything else went wrong.</summary>
    Failed,
}

/// <summary>What came of a pull: where it came from, and content or an error. An immutable value.</summary>
/// <param name="Source">Where it came from.</param>
/// <param name="Content">The content; <see langword="null"/> if there is an error. Whoever receives it disposes what it holds.</param>
/// <param name="Error">What the client is told instead; <see langword="null"/> if there is content.</param>
/// <param name="Detail">Why, in a word, where the source alone does not tell.</param>
/// <param name="Stored">Whether it is being kept.</param>
public readonly record struct Pulled<T>(PullSource Source, T? Content, RegistryError? Error, string? Detail = null, bool Stored = false) where T : class
{
    /// <summary>Content.</summary>
    public Pulled(PullSource source, T content, string? detail = null, bool stored = false) : this(source, content, null, detail, stored) { }

    /// <summary>An error, which tells its source itself.</summary>
    public Pulled(RegistryError error) : this(SourceOf(error), null, error) { }

    /// <summary>When the content was stored or its tag validated; <see langword="null"/> if it comes from the upstream just now.</summary>
    public DateTimeOffset? AsOf { get; init; }

    /// <summary>What other caches said of the upstream's answer to this request; <see langword="null"/> if none did, or the upstream was not asked.</summary>
    public Relay? Relay { get; init; }

    private static PullSource SourceOf(RegistryError error) => error.Status switch
    {
        404 => PullSource.Missing,
        401 or 403 => PullSource.Denied,
        _ => PullSource.Failed,
    };
}

/// <summary>A manifest to serve.</summary>
/// <param name="Digest">Its name.</param>
/// <param name="MediaType">What it was received as.</param>
/// <param name="Size">Bytes.</param>
/// <param name="Bytes">The bytes; empty when only its headers were asked for.</param>
/// <param name="StoredAt">When it was stored; <see langword="null"/> if it has just come.</param>
public sealed record ManifestContent(Digest Digest, string MediaType, long Size, ReadOnlyMemory<byte> Bytes, DateTimeOffset? StoredAt = null)
{
    /// <summary>Its name as text. Those from memory have it ready.</summary>
    public string Name { get; } = Digest.ToString();
}

/// <summary>A stored blob that is small enough to be in memory, or of which only the size is told.</summary>
/// <param name="Digest">Its name.</param>
/// <param name="Size">Bytes.</param>
/// <param name="Bytes">All of it; empty when only its headers were asked for.</param>
/// <param name="StoredAt">When it was stored.</param>
public sealed record SmallBlob(Digest Digest, long Size, ReadOnlyMemory<byte> Bytes, DateTimeOffset StoredAt)
{
    /// <summary>Its name as text. Those from memory have it ready.</summary>
    public string Name { get; } = Digest.ToString();
}

/// <summary>A blob to serve, or a part of one.</summary>
/// <param name="Size">Bytes of the whole.</param>
/// <param name="Span">The bytes asked for; <see langword="null"/> if a range was asked for that is not there (416).</param>
/// <param name="IsPart">Whether that is what a range asked for (206), rather than the whole.</param>
/// <param name="Blob">Where they can be read; <see langword="null"/> when only headers were asked for.</param>
public sealed record BlobContent(long Size, ByteSpan? Span, bool IsPart, Blob? Blob) : IAsyncDisposable
{
    /// <inheritdoc/>
    public ValueTask DisposeAsync() => Blob?.DisposeAsync() ?? default;
}
