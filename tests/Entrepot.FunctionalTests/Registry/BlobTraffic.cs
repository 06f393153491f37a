using Entrepot.Oci;

namespace Entrepot.FunctionalTests.Registry;

/// <summary>What a registry has sent of one blob, by position: a snapshot, to be taken when nothing is on its way any more.</summary>
/// <remarks>Sent is what was handed to the connection. What a client that gave up has not read counts too.</remarks>
public sealed class BlobTraffic
{
    private readonly List<(long From, long To)> _spans;

    private BlobTraffic(List<(long From, long To)> spans) => _spans = spans;

    /// <summary>Bytes in total.</summary>
    public long Bytes => _spans.Sum(span => span.To - span.From);

    /// <summary>How many different bytes of the blob.</summary>
    public long Distinct => Steps().Where(step => step.Times > 0).Sum(step => step.To - step.From);

    /// <summary>How often the byte was sent that was sent most often.</summary>
    public int MostTimes => Steps().Select(step => step.Times).DefaultIfEmpty().Max();

    /// <summary>How often one byte was sent.</summary>
    public int Times(long offset) => _spans.Count(span => span.From <= offset && offset < span.To);

    internal static BlobTraffic Of(IEnumerable<ReceivedRequest> requests, Digest digest) =>
        new([.. requests.Where(request => request is { IsBlob: true, Status: 200 or 206, Sent: > 0 } && request.Target == digest.ToString())
            .Select(request => (request.Offset, request.Offset + request.Sent))]);

    // Between two ends of spans every byte was sent equally often.
    private IEnumerable<(long From, long To, int Times)> Steps()
    {
        var ends = _spans.SelectMany(span => (long[])[span.From, span.To]).Distinct().Order().ToList();
        return ends.Zip(ends.Skip(1), (from, to) => (from, to, Times(from)));
    }
}
