using System.Collections.Concurrent;
using System.Net;
using System.Net.Http.Headers;
using TestBlob = Entrepot.FunctionalTests.Registry.TestBlob;

namespace Entrepot.ClientTests.Kit;

/// <summary>Clients that read ranges of blobs, whole blobs, and leave in the middle of them, and compare every byte that comes.</summary>
/// <param name="server">The root of the registry API they read from.</param>
/// <param name="blobs">What they read.</param>
/// <param name="client">What they ask by; the caller's to dispose. The tests' own by default.</param>
internal sealed class RandomReaders(Uri server, IReadOnlyList<TestBlob> blobs, HttpClient? client = null)
{
    /// <summary>How many read at once.</summary>
    public const int Clients = 200;

    private const int MostOfRange = 1 << 20;
    private const int BufferBytes = 64 << 10;

    private readonly HttpClient _client = client ?? Http.Client;
    private readonly ConcurrentBag<string> _wrong = [];
    private long _answers;
    private volatile bool _over;

    /// <summary>What must not have happened: wrong bytes ever, and broken answers or refusals while the server ran.</summary>
    public IReadOnlyCollection<string> Wrong => _wrong;

    /// <summary>Answers that were read as far as their client wanted, all of them right.</summary>
    public long Answers => Interlocked.Read(ref _answers);

    /// <summary>Reads until told to end, and returns when all clients have.</summary>
    /// <param name="random">Decides what is read. Not used after the return.</param>
    /// <param name="until">Ends when the server may begin to refuse and to break off.</param>
    /// <param name="end">What is done then, while the clients still read.</param>
    public async Task RunAsync(Random random, Task until, Func<Task> end)
    {
        _over = false;
        var clients = Enumerable.Range(0, Clients).Select(_ => random.Next()).ToList().Select(seed => Task.Run(() => ReadAsync(new Random(seed)))).ToList();
        await until;
        _over = true;
        await end();
        await Task.WhenAll(clients);
    }

    /// <summary>Reads all of a blob.</summary>
    /// <returns>What its <c>Cache-Status</c> said.</returns>
    public async Task<string> ReadWholeAsync(TestBlob blob) => await GetAsync(blob, null, blob.Size);

    private async Task ReadAsync(Random random)
    {
        while (!_over)
        {
            var blob = blobs[random.Next(blobs.Count)];
            var (range, stop) = Choose(random, blob.Size);
            try
            {
                await GetAsync(blob, range, stop);
                Interlocked.Increment(ref _answers);
            }
            catch (WrongAnswerException e)
            {
                _wrong.Add($"{blob.Digest} {range}: {e.Message}");
            }
            catch (Exception e) when (e is HttpRequestException or IOException or System.Net.Sockets.SocketException)
            {
                if (!_over) _wrong.Add($"{blob.Digest} {range}: {e.Message}");
            }
        }
    }

    // A range, and after how many bytes the client leaves. Mostly small ranges, as lazy readers ask; one of ten reads all.
    private static (RangeHeaderValue? Range, long Stop) Choose(Random random, int size)
    {
        var from = random.Next(size);
        var length = Math.Min(random.Next(1, MostOfRange), size - from);
        return random.Next(10) switch
        {
            0 => (null, size),
            1 => (null, random.Next(size)),
            2 or 3 => (new RangeHeaderValue(from, null), random.Next(length)),
            4 => (new RangeHeaderValue(null, length), length),
            _ => (new RangeHeaderValue(from, from + length - 1), length),
        };
    }

    private async Task<string> GetAsync(TestBlob blob, RangeHeaderValue? range, long stop)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(server, $"v2/org/app/blobs/{blob.Digest}"));
        if (range is not null) request.Headers.Range = new RangeHeaderValue { Ranges = { range.Ranges.Single() } };
        using var answer = await _client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        if (_over && answer.StatusCode == HttpStatusCode.ServiceUnavailable) return "";
        if (answer.StatusCode != (range is null ? HttpStatusCode.OK : HttpStatusCode.PartialContent)) throw new WrongAnswerException($"status {(int)answer.StatusCode}");

        var told = answer.Content.Headers.ContentRange;
        var (at, length) = (told?.From ?? 0, answer.Content.Headers.ContentLength);
        if (range is not null && !IsAnswer(range.Ranges.Single(), told!, blob.Size)) throw new WrongAnswerException($"Content-Range: {told}");
        if (length != (told is null ? blob.Size : told.To - told.From + 1)) throw new WrongAnswerException($"Content-Length: {length}");

        await using var body = await answer.Content.ReadAsStreamAsync();
        var buffer = new byte[BufferBytes];
        for (var read = 0L; read < stop;)
        {
            var count = await body.ReadAsync(buffer.AsMemory(0, (int)Math.Min(BufferBytes, stop - read)));
            if (count == 0) throw new WrongAnswerException($"a clean end after {read} bytes");
            if (!blob.Bytes.AsSpan((int)(at + read), count).SequenceEqual(buffer.AsSpan(0, count))) throw new WrongAnswerException($"wrong bytes between {at + read} and {at + read + count}");
            read += count;
        }

        return answer.Headers.TryGetValues("Cache-Status", out var status) ? status.Single() : "";
    }

    private static bool IsAnswer(RangeItemHeaderValue asked, ContentRangeHeaderValue told, long size)
    {
        var from = asked.From ?? size - asked.To;
        var to = asked is { From: not null, To: { } last } ? last : size - 1;
        return told.Length == size && told.From == from && told.To == to;
    }

    private sealed class WrongAnswerException(string message) : Exception(message);
}
