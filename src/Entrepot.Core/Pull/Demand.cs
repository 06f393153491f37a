namespace Entrepot.Pull;

/// <summary>Whether somebody waits for what a request brings. Safe for concurrent use.</summary>
/// <remarks>
/// Asked whenever a place, or a share of the bandwidth, becomes free, so that a change counts at once: also for a request that already waits
/// for its turn, or whose body is being read.
/// </remarks>
/// <param name="isWanted">Whether somebody waits at first.</param>
public sealed class Demand(bool isWanted)
{
    private volatile bool _isWanted = isWanted;

    /// <summary>That of everything a client waits for from beginning to end. It cannot be changed.</summary>
    public static Demand Always { get; } = new(true);

    /// <summary>Whether somebody waits now. What nobody waits for is done after all else.</summary>
    /// <exception cref="InvalidOperationException"><see cref="Always"/> was to be changed.</exception>
    public bool IsWanted
    {
        get => _isWanted;
        set
        {
            if (ReferenceEquals(this, Always)) throw new InvalidOperationException("what is always wanted stays so");
            _isWanted = value;
        }
    }
}
