using Entrepot.Oci;

namespace Entrepot.Pull;

/// <summary>How a fetch is at one moment. Immutable.</summary>
/// <param name="Reference">What is fetched, and from where.</param>
/// <param name="IsWaiting">Whether it has not begun, since as many others run as may.</param>
/// <param name="IsPassing">Whether its bytes are not kept.</param>
/// <param name="Size">Bytes of the whole; <see langword="null"/> while that is not known.</param>
/// <param name="Arrived">Bytes that have arrived, those of earlier fetches among them.</param>
/// <param name="Runs">Upstream requests that fill it.</param>
/// <param name="Followers">Responses that read it.</param>
/// <param name="Rate">Bytes a second that arrived in the last seconds.</param>
public sealed record FetchState(Reference Reference, bool IsWaiting, bool IsPassing, long? Size, long Arrived, int Runs, int Followers, long Rate)
{
    internal FetchState(Fetch fetch, bool isWaiting)
        : this(fetch.Leader, isWaiting, fetch.IsPassing, fetch.Size, fetch.Arrived, fetch.Runs, fetch.Followers, fetch.Rate)
    {
    }
}
