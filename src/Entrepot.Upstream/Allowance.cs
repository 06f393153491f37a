using Entrepot.Pull;

namespace Entrepot.Upstream;

/// <summary>What all requests to one upstream share: places among its connections, bytes a second, and whom to tell when it dies. Safe for concurrent use.</summary>
/// <remarks>It belongs to the upstream's name: what began before the options were read again still counts against those that are in force now.</remarks>
internal sealed class Allowance
{
    public Allowance(UpstreamOptions options, TimeProvider clock)
    {
        Places = new Turnstile(options.Connections);
        Bandwidth = new Bandwidth(clock) { BytesPerSecond = options.Bandwidth };
    }

    /// <summary>A request is inside from before its connection is looked for until its answer's body has been given back.</summary>
    public Turnstile Places { get; }

    /// <summary>Every body is read by it.</summary>
    public Bandwidth Bandwidth { get; }

    /// <summary>Told when one of the upstream's addresses is found dead, or lives again; must return at once.</summary>
    public Action<CircuitChange> CircuitChanged { get; init; } = _ => { };

    /// <summary>Takes over what the options say now.</summary>
    public void Set(UpstreamOptions options)
    {
        Places.Places = options.Connections;
        Bandwidth.BytesPerSecond = options.Bandwidth;
    }
}
