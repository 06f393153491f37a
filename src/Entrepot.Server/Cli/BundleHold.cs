using Entrepot.Oci;
using Entrepot.Server.Admin;

namespace Entrepot.Server.Cli;

/// <summary>Keeps blobs from being evicted while a bundle is written. Ends with its disposal, and with this process, however that ends.</summary>
internal sealed class BundleHold : IAsyncDisposable
{
    private readonly IAsyncEnumerator<Message<HoldBegun>> _answer;

    private BundleHold(IAsyncEnumerator<Message<HoldBegun>> answer) => _answer = answer;

    /// <summary>Blobs that were not stored any more when it began.</summary>
    public IReadOnlyList<string> Missing => _answer.Current.Value.Missing;

    /// <summary>Begins it: the server holds them for as long as its answer is open.</summary>
    /// <exception cref="AdminException">The server refused, or went away.</exception>
    public static async Task<BundleHold> BeginAsync(Session session, IEnumerable<Digest> blobs)
    {
        var answer = session.Server.StreamAsync(
            "/api/v1/bundles?hold=", new HoldRequest([.. blobs.Select(blob => blob.ToString())]), AdminJson.Default.HoldRequest, AdminJson.Default.HoldBegun, session.Stop).GetAsyncEnumerator(session.Stop);
        if (await answer.MoveNextAsync()) return new BundleHold(answer);
        await answer.DisposeAsync();
        throw new AdminException("the server does not say what it keeps for the bundle; see the server's log");
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _answer.DisposeAsync();
}
