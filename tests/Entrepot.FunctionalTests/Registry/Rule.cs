namespace Entrepot.FunctionalTests.Registry;

/// <summary>Which requests are answered wrongly, how, and how often.</summary>
/// <remarks>Not safe for concurrent use.</remarks>
internal sealed class Rule(Func<ReceivedRequest, bool> match, Behaviour behaviour, int times, int after)
{
    private int _left = times;
    private int _seen;

    public Behaviour Behaviour => behaviour;

    /// <summary>Whether the rule is about this request and its time has come; every request is shown to it once.</summary>
    public bool Sees(ReceivedRequest request) => match(request) && ++_seen > after && _left > 0;

    /// <summary>One of its times is used up.</summary>
    public void Use()
    {
        if (_left != TestRegistry.Always) _left--;
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
