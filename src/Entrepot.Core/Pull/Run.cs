using Entrepot.Oci;

namespace Entrepot.Pull;

/// <summary>One upstream request of a fetch: where it is, and how far its claim goes.</summary>
/// <remarks>Guarded by the fetch's lock. A claim shrinks when another run begins in it, never to where bytes are on their way to the
/// disk, and grows again when that one brings nothing.</remarks>
internal sealed class Run(ByteSpan span, bool isWanted)
{
    /// <summary>The first byte that it was begun for.</summary>
    public long From => span.From;

    /// <summary>The first byte that the upstream was not asked for.</summary>
    public long Asked => span.To;

    /// <summary>The first byte that it has not brought yet.</summary>
    public long Position { get; set; } = span.From;

    /// <summary>The first byte that it is not to bring.</summary>
    public long End { get; set; } = span.To;

    /// <summary>Whether the upstream had to wait for what came to be kept, since this was last set to <see langword="false"/>. Not guarded: a hint.</summary>
    public bool IsHeldUp { get; set; }

    /// <summary>Whether somebody waits for what it brings.</summary>
    public Demand Demand { get; } = new(isWanted);
}
