using Entrepot.Pull;

namespace Entrepot.Storage;

/// <summary>A victim, with what is known of it if it is what rests of a blob.</summary>
internal readonly record struct Leaver(Victim Victim, Resting? Resting);

/// <summary>A blob on its way out; twice, if it came back and had to leave again before the first file was gone. Guarded by its owner.</summary>
internal sealed class Departure
{
    /// <summary>Files of it that are to go.</summary>
    public int Files { get; set; }

    /// <summary>Set when they are gone.</summary>
    public TaskCompletionSource Left { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
}
