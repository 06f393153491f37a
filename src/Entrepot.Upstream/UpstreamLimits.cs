namespace Entrepot.Upstream;

/// <summary>How much is taken from each upstream, and how many may wait for it. Immutable; checked by whoever read it.</summary>
public sealed record UpstreamLimits
{
    /// <summary>Most bytes of a manifest, and of a page of referrers.</summary>
    /// <value>64 KiB to 64 MiB. Default 8 MiB: registries allow 4 MiB.</value>
    public int ManifestBytes { get; init; } = 8 << 20;

    /// <summary>Most bytes of a page of tags.</summary>
    /// <value>64 KiB to 256 MiB. Default 8 MiB: 10,000 tags of the longest kind are 1.3 MB, and some registries send all that they have in one page.</value>
    public int TagListBytes { get; init; } = 8 << 20;

    /// <summary>Most requests that wait for a place among one upstream's connections; further ones are refused.</summary>
    /// <value>1 to 1,000,000. Default 4096: with 64 connections more than anybody would have the patience for.</value>
    public int Waiting { get; init; } = 4096;
}

/// <summary>Most bytes of a body that is read whole.</summary>
/// <param name="Bytes">So many.</param>
/// <param name="Option">The option that says so; <see langword="null"/> if none does.</param>
internal readonly record struct BodyLimit(int Bytes, string? Option = null)
{
    /// <inheritdoc/>
    public override string ToString() => Option is null ? $"the limit of {Bytes} bytes" : $"{Option}, {Bytes} bytes";
}
