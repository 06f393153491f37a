using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using Entrepot.FunctionalTests.Kit;
using Entrepot.FunctionalTests.Registry;
using Entrepot.Server.Telemetry;
using Serilog.Events;

namespace Entrepot.FunctionalTests.Hostile;

/// <summary>A client that sends what no honest one does: every other client is served, and nothing is done but what a strict reader finds in what it sent.</summary>
public sealed class HostileClientTests : IAsyncLifetime
{
    private const int Clients = 8;
    private const int Known = 6;
    private const int AdminShare = 6;   // every sixth connection is to the admin listener

    // What an answer may carry: a header with another name would be one that a request brought in.
    private static readonly HashSet<string> Allowed = new(StringComparer.OrdinalIgnoreCase)
    {
        "Accept-Ranges", "Age", "Allow", "Cache-Status", "Connection", "Content-Length", "Content-Range", "Content-Type", "Date", "Docker-Content-Digest",
        "Docker-Distribution-API-Version", "ETag", "Link", "OCI-Filters-Applied", "OCI-Namespace", "Retry-After",
    };

    private static readonly string[] AdminPaths = ["/api/v1/status", "/api/v1/images", "/metrics", "/healthz", "/readyz"];

    // In CI 10,000; HOSTILE=100000 in the environment for more, and HOSTILE_SEED for other ones.
    private static readonly int Requests = Number("HOSTILE", 10_000);
    private static readonly int Seed = Number("HOSTILE_SEED", 7);

    private readonly TestRegistry _registry = new();
    private readonly DirectoryInfo _around = Directory.CreateTempSubdirectory("entrepot-hostile-");
    private readonly StringWriter _text = new();
    private readonly List<TestBlob> _blobs = [.. Enumerable.Range(0, Known + 1).Select(i => TestBlob.Random(100 + (i * 37), seed: 7000 + i))];
    private readonly ConcurrentQueue<string> _wrong = new();
    private Serilog.Core.Logger _log = null!;
    private Appliance _cache = null!;
    private int _left = Requests;
    private int _sent;
    private int _administered;   // connections to the admin listener that were answered
    private int _resets;   // in the middle of an answer

    private string Root => Path.Combine(_around.FullName, "inside", "root");

    public async Task InitializeAsync()
    {
        _log = Logging.Create(LogFormat.Text, LogEventLevel.Verbose, 1_000_000, TextWriter.Synchronized(_text));
        Directory.CreateDirectory(Path.GetDirectoryName(Root)!);
        foreach (var path in (string[])["outside", "inside/format", "inside/root2/format", "etc/passwd", "inside/blobs/sha256/e3/x"])
        {
            var file = Path.Combine(_around.FullName, path);
            Directory.CreateDirectory(Path.GetDirectoryName(file)!);
            await File.WriteAllTextAsync(file, $"{path} is nobody's to change");
        }

        _cache = await Appliance.StartAsync(_registry, new Setup { Log = _log, Options = options => options with { StorageRoot = Root } });
        var image = _registry.Content.AddImage("org/app", "1", [.. _blobs]);
        (await _cache.GetManifestAsync("1")).Is(image.Manifest.Bytes);
        foreach (var blob in _blobs.Append(image.Config))
        {
            (await _cache.GetBlobAsync(blob)).Is(blob.Bytes);
            await Appliance.UntilAsync(() => Task.FromResult(new Store(Root).Has(blob.Digest)), () => $"{blob.Digest} is not stored");
        }
    }

    public async Task DisposeAsync()
    {
        await _cache.DisposeAsync();
        await _registry.DisposeAsync();
        await _log.DisposeAsync();
        _around.Delete(recursive: true);
    }

    [Fact]
    public async Task HostileRequests_AreAnsweredEachOnceOrRefused_AndHarmNobody()
    {
        var before = Around();
        using var end = new CancellationTokenSource();
        var neighbour = ServeNeighbourAsync(end.Token);
        await Task.WhenAll(Enumerable.Range(0, Clients).Select(client => Task.Run(() => AttackAsync(client))));
        await end.CancelAsync();

        Assert.True(await neighbour > 0);
        Assert.True(_wrong.IsEmpty, string.Join("\n\n", _wrong.Take(3)));
        Assert.Equal(before, Around());
        Assert.InRange(_administered, 1, int.MaxValue);
        Assert.Equal(HttpStatusCode.OK, (await _cache.AdminAsync("/healthz")).Status);
        Assert.Equal(HttpStatusCode.OK, (await _cache.AdminAsync("/api/v1/status")).Status);
        Assert.Equal(_blobs.Count + 2, new Store(Root).Checked().Count);
        Assert.Equal([], _registry.Log.All.Select(request => (OutgoingRequests.Objection(request, _registry.Url), request)).Where(one => one.Item1 is not null).Take(3));
        Assert.All((string[])["/manifests/", "/tags/", "/blobs/"], kind => Assert.Contains(_registry.Log.All, request => request.Path.Contains(kind, StringComparison.Ordinal)));
        Assert.InRange(_sent, Requests, int.MaxValue);
        Assert.InRange(_resets, 0, 1 + (_sent / 1000));   // seen: one in ten thousand
        await _log.DisposeAsync();
        var lines = _text.ToString();
        Assert.DoesNotContain(" ERR ", lines, StringComparison.Ordinal);
        Assert.DoesNotContain(" FTL ", lines, StringComparison.Ordinal);
        Assert.DoesNotContain("hunter2", lines, StringComparison.Ordinal);
        Assert.DoesNotContain("dXNlcjpodW50ZXIy", lines, StringComparison.Ordinal);
    }

    private async Task AttackAsync(int client)
    {
        var known = _blobs.Take(Known).Select(blob => Appliance.PathOf(blob.Digest)).ToList();
        for (var number = 0; Volatile.Read(ref _left) > 0 && _wrong.IsEmpty; number++)
        {
            var seed = HashCode(client, number);
            var isForAdmin = number % AdminShare == 0;
            var server = isForAdmin ? _cache.Admin : _cache.Url;
            var pieces = new HostileRequests(new Random(seed), server.Authority, isForAdmin ? AdminPaths : known, Appliance.PathOf(_blobs[Known].Digest)) { IsForAdmin = isForAdmin }.Connection();
            var bytes = pieces.SelectMany(piece => piece).ToArray();
            var (requests, ending, pending) = StrictReader.Read(bytes);
            Interlocked.Add(ref _left, -requests.Count - 1);
            Interlocked.Add(ref _sent, requests.Count + 1);
            try
            {
                if (isForAdmin)
                {
                    var statuses = await StrictClient.StatusesAsync(server, pieces);
                    if (statuses.Count > 0) Interlocked.Increment(ref _administered);
                    if (statuses.Any(status => status >= 500 && status != 505)) Note(seed, "the admin listener failed", bytes, [.. statuses.Select(status => new StrictAnswer(status, [], []))]);
                    continue;
                }

                var waits = ending is StrictEnd.Malformed || requests.Any(request => request.EndsConnection);
                var answers = await StrictClient.SendAsync(_cache.Url, pieces, [.. requests.Select(request => request.Method), pending], requests.Count, waits);
                if (Objection(requests, ending, answers) is { } objection) Note(seed, objection, bytes, answers);
            }
            catch (ResetInAnswerException)
            {
                Interlocked.Increment(ref _resets);
            }
            catch (Exception e) when (e is TimeoutException or Xunit.Sdk.XunitException or FormatException or ArgumentOutOfRangeException)
            {
                Note(seed, e.Message, bytes, []);
            }
        }
    }

    private static int HashCode(int client, int number) => unchecked((Seed * 1_000_003) + (client * 100_000_007) + number);

    private void Note(int seed, string what, byte[] bytes, IReadOnlyList<StrictAnswer> answers) =>
        _wrong.Enqueue($"seed {seed}: {what}\nanswers {string.Join(", ", answers.Select(answer => answer.Status))}\n{Encoding.Latin1.GetString(bytes)[..Math.Min(bytes.Length, 1500)]}");

    // One answer to each request, in order, until the connection ends as the last of them says; and one more, a refusal, where something came that is no request.
    private string? Objection(IReadOnlyList<StrictRequest> requests, StrictEnd ending, IReadOnlyList<StrictAnswer> answers)
    {
        var most = requests.Count + (ending is StrictEnd.Whole ? 0 : 1);
        if (answers.Count > most) return $"{answers.Count} answers to {requests.Count} requests";
        if (answers.Count < requests.Count && (answers.Count == 0 || !answers[^1].EndsConnection) && (answers.Count == 0 || !requests[answers.Count - 1].EndsConnection))
            return $"{answers.Count} answers to {requests.Count} requests, and nothing that says why";

        for (var i = 0; i < answers.Count; i++)
        {
            var answer = answers[i];
            if (answer.Headers.FirstOrDefault(header => !Allowed.Contains(header.Name)).Name is { } strange) return $"the header {strange}";
            // A version that is not spoken here has a status of its own (RFC 9110, section 15.6.6).
            if (answer.Status >= 500 && answer.Status != 505) return $"status {answer.Status}";
            if (i >= requests.Count && (answer.Status < 400 || !answer.EndsConnection)) return $"status {answer.Status} to what is no request, and {(answer.EndsConnection ? "an end" : "no end")}";
            if (answer.Status is 200 && ContentObjection(requests[i], answer) is { } objection) return objection;
        }

        return null;
    }

    private string? ContentObjection(StrictRequest request, StrictAnswer answer)
    {
        if (answer.Header("Docker-Content-Digest") is not { } name) return null;
        if (request.Method is not ("GET" or "HEAD")) return $"content for the method {request.Method}";
        if (!request.Target.Contains(name, StringComparison.Ordinal) && name.StartsWith("sha256:", StringComparison.Ordinal) && request.Target.Contains("/blobs/", StringComparison.Ordinal)) return $"{name} for {request.Target}";
        var blob = _blobs.Find(one => one.Digest.ToString() == name);
        return blob is null || request.Method == "HEAD" || blob.Bytes.AsSpan().SequenceEqual(answer.Body) ? null : $"wrong bytes of {name}";
    }

    // One well-formed client, on one connection after the other: always right.
    private async Task<int> ServeNeighbourAsync(CancellationToken end)
    {
        var served = 0;
        while (!end.IsCancellationRequested)
        {
            foreach (var blob in _blobs)
            {
                var got = await _cache.GetBlobAsync(blob);
                if (got is not { Status: 200, Clean: true } || !got.Bytes.AsSpan().SequenceEqual(blob.Bytes)) _wrong.Enqueue($"the neighbour got {got}");
                served++;
            }
        }

        return served;
    }

    // What lies beside the root, and when it was changed: a directory is when a name in it comes or goes.
    private List<string> Around() =>
    [
        .. new DirectoryInfo(_around.FullName).EnumerateFileSystemInfos("*", SearchOption.AllDirectories).Append(_around)
            .Where(one => one.FullName != Root && !one.FullName.StartsWith(Root + "/", StringComparison.Ordinal))
            .Select(one => $"{one.FullName} {one.Attributes} {one.UnixFileMode} {one.LastWriteTimeUtc:O} {(one is FileInfo file ? Convert.ToHexString(SHA256.HashData(File.ReadAllBytes(file.FullName))) : "")}")
            .Order(StringComparer.Ordinal),
    ];

    private static int Number(string name, int otherwise) =>
        int.TryParse(Environment.GetEnvironmentVariable(name), NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : otherwise;
}
