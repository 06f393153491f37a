namespace Entrepot.Pull;

/// <summary>How the blobs of one upstream are fetched. Immutable.</summary>
public sealed record FetchRules
{
    /// <summary>Most requests that fill one blob at the same time.</summary>
    /// <value>1 to 16; 1 fetches every blob over one connection. Default 4: enough where each connection is throttled, few enough to share with other blobs.</value>
    public int ParallelRuns { get; init; } = 4;

    /// <summary>What is fetched of a blob of which a part was asked for.</summary>
    /// <value>Default <see cref="FillMode.Complete"/>.</value>
    public FillMode Fill { get; init; }

    /// <summary>Longest wait for 1 KiB of a body before its connection counts as broken; also how long, in the middle of a blob, an upstream is waited for that says when to come back.</summary>
    /// <value>1 s to 10 minutes. Default 15 s: what takes longer does not arrive in anybody's patience.</value>
    public TimeSpan StallTimeout { get; init; } = TimeSpan.FromSeconds(15);
}

/// <summary>What is fetched of a blob of which a part was asked for.</summary>
public enum FillMode
{
    /// <summary>All of it, whoever leaves: the next client has it.</summary>
    Complete,

    /// <summary>The pieces that somebody read, and no others: a lazy client causes lazy traffic.</summary>
    Touched,
}
