namespace Entrepot.Pull;

/// <summary>What is asked of an upstream of one blob. Immutable, apart from what <see cref="Demand"/> says.</summary>
/// <param name="From">The first byte. An upstream without ranges begins at 0: see <see cref="UpstreamBlob.Offset"/>.</param>
/// <param name="To">The first byte no longer wanted; <see langword="null"/> for all the rest.</param>
/// <param name="Validator">What earlier bytes came with (see <see cref="UpstreamBlob.Validator"/>), sent as If-Range; may be <see langword="null"/>.</param>
/// <param name="Demand">Whether somebody waits for it.</param>
public sealed record BlobPart(long From, long? To, string? Validator, Demand Demand)
{
    /// <summary>Bytes that a client waits for, whatever came before.</summary>
    /// <param name="from">The first.</param>
    /// <param name="to">The first no longer wanted; <see langword="null"/> for all the rest.</param>
    public BlobPart(long from, long? to = null)
        : this(from, to, null, Demand.Always)
    {
    }

    /// <summary>Origins of bytes that were wrong (see <see cref="UpstreamBlob.Origin"/>): these are asked last.</summary>
    public IReadOnlyCollection<string> Distrusted { get; init; } = [];

    /// <summary>All of it, which a client waits for.</summary>
    public static BlobPart Whole { get; } = new(0);
}
