namespace Entrepot.FunctionalTests.Registry;

/// <summary>Which requests are answered wrongly, how, and how often.</summary>
internal sealed class Rule(Func<ReceivedRequest, bool> match, Behaviour behaviour, int times)
{
    private int _left = times;

    public Behaviour Behaviour => behaviour;

    /// <summary>Whether the rule applies; if so, one of its times is used up.</summary>
    public bool TryUse(ReceivedRequest request)
    {
        if (!match(request)) return false;
        if (_left == TestRegistry.Always) return true;
        if (Interlocked.Decrement(ref _left) >= 0) return true;
        Interlocked.Increment(ref _left);
        return false;
    }
}

/// <summary>The questions that rules are usually about.</summary>
public static class Ask
{
    public static Func<ReceivedRequest, bool> Anything { get; } = _ => true;

    public static Func<ReceivedRequest, bool> Blob { get; } = request => request is { Method: "GET", IsBlob: true };

    public static Func<ReceivedRequest, bool> HeadBlob { get; } = request => request is { Method: "HEAD", IsBlob: true };

    public static Func<ReceivedRequest, bool> Manifest { get; } = request => request is { Method: "GET", IsManifest: true };

    public static Func<ReceivedRequest, bool> HeadManifest { get; } = request => request is { Method: "HEAD", IsManifest: true };

    public static Func<ReceivedRequest, bool> AnyManifest { get; } = request => request.IsManifest;

    public static Func<ReceivedRequest, bool> Token { get; } = request => request.IsToken;
}
