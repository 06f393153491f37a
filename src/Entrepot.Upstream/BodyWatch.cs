namespace Entrepot.Upstream;

/// <summary>Whom a body's reader tells whether it begins to come. Immutable.</summary>
/// <param name="Host">Who answered with it, after redirects.</param>
/// <param name="Blob">The blob, which is tried several times by whoever fetches it; <see langword="null"/> for what is no blob.</param>
internal sealed record BodyWatch(Endpoint Host, string? Blob)
{
    /// <summary>It has begun to come.</summary>
    public void Came() => Host.BodyCame();

    /// <summary>Nothing of it came for as long as it is waited for.</summary>
    public void IsSilent(string why) => Host.BodyIsSilent(why, Blob);
}
