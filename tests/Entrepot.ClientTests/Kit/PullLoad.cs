using System.Collections.Concurrent;
using System.Net;
using System.Net.Http.Headers;
using Entrepot.ClientTests.Images;

namespace Entrepot.ClientTests.Kit;

/// <summary>Clients that pull images as fast as they can until their server is killed, and remember what was answered.</summary>
/// <param name="server">The root of the registry API they pull from.</param>
internal sealed class PullLoad(Uri server)
{
    private const int Clients = 8;

    private readonly ConcurrentDictionary<TestImage, bool> _answered = [];
    private readonly ConcurrentBag<string> _wrong = [];

    /// <summary>Images whose manifest was answered completely, by tag.</summary>
    public ICollection<TestImage> Answered => _answered.Keys;

    /// <summary>What must not have happened: clean answers of wrong bytes, and refusals while the server ran.</summary>
    public IReadOnlyCollection<string> Wrong => _wrong;

    /// <summary>Pulls until bodies of <paramref name="killAfter"/> bytes have arrived, then kills the server and waits for the clients.</summary>
    /// <param name="images">What is pulled, in random order, again and again.</param>
    /// <param name="killAfter">Bytes; what has arrived, not time, decides, so that slow machines kill in the middle of things too.</param>
    /// <param name="random">Decides about order. Not used after the return.</param>
    /// <param name="kill">Kills the server.</param>
    public async Task RunAsync(IReadOnlyList<TestImage> images, long killAfter, Random random, Func<Task> kill)
    {
        var round = new Round(killAfter);
        var clients = Enumerable.Range(0, Clients).Select(_ => PullAsync(images, new Random(random.Next()), round)).ToList();
        await Task.WhenAny([round.Reached, .. clients]);
        round.Killed = true;
        await kill();
        await Task.WhenAll(clients);
    }

    private async Task PullAsync(IReadOnlyList<TestImage> images, Random random, Round round)
    {
        while (!round.Killed)
        {
            var image = images[random.Next(images.Count)];
            if (await GetAsync(image, "manifests/" + image.Tag, image.Root, round)) _answered[image] = true;
            foreach (var blob in image.Native.Blobs) await GetAsync(image, "blobs/" + blob.Digest, blob, round);
        }
    }

    /// <summary>Asks for one thing.</summary>
    /// <returns>Whether it was answered completely.</returns>
    private async Task<bool> GetAsync(TestImage image, string path, Content expected, Round round)
    {
        if (round.Killed) return false;
        try
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(server, $"v2/{image.Repository}/{path}"));
            request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue(expected.MediaType));
            using var answer = await Http.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
            var bytes = await ReadAsync(answer, round);
            if (answer.StatusCode == HttpStatusCode.OK && bytes.AsSpan().SequenceEqual(expected.Bytes)) return true;
            _wrong.Add($"{image} {path}: {(int)answer.StatusCode} with {bytes.Length} of {expected.Bytes.Length} bytes");
        }
        catch (Exception e) when (e is HttpRequestException or IOException or System.Net.Sockets.SocketException)
        {
            if (!round.Killed) _wrong.Add($"{image} {path}: {e.Message}");
        }

        return false;
    }

    private static async Task<byte[]> ReadAsync(HttpResponseMessage answer, Round round)
    {
        await using var body = await answer.Content.ReadAsStreamAsync();
        using var bytes = new MemoryStream();
        var buffer = new byte[16 * 1024];
        while (await body.ReadAsync(buffer) is var read and > 0)
        {
            bytes.Write(buffer, 0, read);
            round.Arrived(read);
        }

        return bytes.ToArray();
    }

    /// <summary>The time from a start of the server to its death. Safe for concurrent use.</summary>
    private sealed class Round(long killAfter)
    {
        private readonly TaskCompletionSource _reached = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private long _left = killAfter;
        private volatile bool _killed;

        public Task Reached => _reached.Task;

        /// <summary>Whether the server may be dead: from then on broken connections are no failure.</summary>
        public bool Killed { get => _killed; set => _killed = value; }

        public void Arrived(int bytes)
        {
            if (Interlocked.Add(ref _left, -bytes) <= 0) _reached.TrySetResult();
        }
    }
}
