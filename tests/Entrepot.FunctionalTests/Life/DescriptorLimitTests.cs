using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using Entrepot.FunctionalTests.Kit;
using Entrepot.FunctionalTests.Registry;

namespace Entrepot.FunctionalTests.Life;

/// <summary>The program as a process of its own that may have few descriptors, and more clients than that.</summary>
public sealed class DescriptorLimitTests : IAsyncLifetime
{
    private const int Limit = 512;
    private const int Room = (Limit - Limit * 5 / 8) * 5 / 9;
    private const string Started = "\"Registry\"";
    private const int Clients = 400;   // fewer than wait in a listener's queue
    private const int Blobs = 500;   // as many as descriptors

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("entrepot-limit-");
    private readonly HttpClient _client = new(new SocketsHttpHandler { UseProxy = false }) { Timeout = TimeSpan.FromSeconds(10) };
    private readonly ConcurrentQueue<string> _lines = new();
    private readonly TestRegistry _upstream = new();
    private Process _process = null!;
    private Uri _registry = null!;   // as the process has said, like the next
    private Uri _admin = null!;

    public async Task InitializeAsync()
    {
        var limit = Limit.ToString(CultureInfo.InvariantCulture);
        var start = new ProcessStartInfo("prlimit", [$"--nofile={limit}:{limit}", "dotnet", Path.Combine(AppContext.BaseDirectory, "entrepot.dll"), "--config", "entrepot.yaml"])
        {
            WorkingDirectory = _folder.FullName,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        await File.WriteAllTextAsync(Path.Combine(_folder.FullName, "entrepot.yaml"), $"upstreams: [{{name: docker.io, urls: ['{_upstream.Url}']}}]");
        start.Environment["ENTREPOT_LISTEN"] = "127.0.0.1:0";
        start.Environment["ENTREPOT_ADMIN"] = "127.0.0.1:0";
        start.Environment["ENTREPOT_STORAGE__MINFREE"] = "0B";
        _process = Process.Start(start)!;
        _process.OutputDataReceived += (_, line) => _lines.Enqueue(line.Data ?? "");
        _process.BeginOutputReadLine();
        _process.ErrorDataReceived += (_, line) => _lines.Enqueue(line.Data ?? "");
        _process.BeginErrorReadLine();
        await Appliance.UntilAsync(() => Task.FromResult(_lines.Any(line => line.Contains(Started, StringComparison.Ordinal))), () => "it does not start");
        using var started = JsonDocument.Parse(_lines.First(line => line.Contains(Started, StringComparison.Ordinal)));
        _registry = new Uri(started.RootElement.GetProperty("Registry")[0].GetString()!);
        _admin = new Uri(started.RootElement.GetProperty("Admin").GetString()!);
    }

    public async Task DisposeAsync()
    {
        _process.Kill();
        await _process.WaitForExitAsync();
        _process.Dispose();
        _client.Dispose();
        await _upstream.DisposeAsync();
        _folder.Delete(recursive: true);
    }

    [Fact]
    public async Task Clients_MoreThanDescriptors_AreClosed_AndTheOthersServed()
    {
        var clients = await ConnectAsync(Clients);

        await Appliance.UntilAsync(async () => (await MetricsAsync()).Sum("entrepot_connections") == Room, () => string.Join('\n', _lines));
        Assert.InRange(Descriptors(), Room, Limit - 1);
        await Appliance.UntilAsync(() => Task.FromResult(_lines.Any(line => line.Contains($"allows {Room};", StringComparison.Ordinal))), () => string.Join('\n', _lines));
        await AsksAsync(clients[0]);
        clients.ForEach(client => client.Dispose());
        await Appliance.UntilAsync(async () => (await MetricsAsync()).Sum("entrepot_connections") == 0, () => "it has connections of clients that have gone");
        Assert.Equal(HttpStatusCode.OK, (await _client.GetAsync(new Uri(_registry, "/v2/"))).StatusCode);
        await Appliance.UntilAsync(async () => await _client.GetStringAsync(new Uri(_admin, "/readyz")) == "ready\n", () => "it is not ready again");
        Assert.DoesNotContain(_lines, line => line.Contains("\"Fatal\"", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Pulls_MoreAtOnceThanDescriptors_AreRightOrRefused_AndStoredAfterwards()
    {
        var blobs = Enumerable.Range(0, Blobs).Select(seed => _upstream.Content.AddBlob(50_000, seed)).ToList();

        var statuses = await Task.WhenAll(blobs.Select(PullAsync));

        Assert.All(statuses, status => Assert.Contains(status, new HttpStatusCode?[] { HttpStatusCode.OK, HttpStatusCode.ServiceUnavailable, null }));
        Assert.True(statuses.Contains(HttpStatusCode.OK), string.Join('\n', _lines));
        foreach (var blob in blobs) Assert.Equal(HttpStatusCode.OK, await PullAsync(blob));
        var asked = _upstream.BlobGets;
        foreach (var blob in blobs) Assert.Equal(HttpStatusCode.OK, await PullAsync(blob));
        Assert.Equal(asked, _upstream.BlobGets);
        Assert.DoesNotContain(_lines, line => line.Contains("\"Fatal\"", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Start_LimitIsTooLowForConnections_SaysBothAndWhatToDo()
    {
        await Appliance.UntilAsync(() => AnswersAsync("readyz"), () => "it is not ready");

        var warning = Assert.Single(_lines, line => line.Contains("\"Warning\"", StringComparison.Ordinal));
        Assert.Contains($"limits.connections is 10000, but this process may have only {Limit} descriptors: it serves {Room} connections at once", warning, StringComparison.Ordinal);
        Assert.Contains("LimitNOFILE", warning, StringComparison.Ordinal);
    }

    // The status, after the bytes were found right; null where the connection was refused or closed.
    private async Task<HttpStatusCode?> PullAsync(TestBlob blob)
    {
        try
        {
            using var answer = await _client.GetAsync(new Uri(_registry, Appliance.PathOf(blob.Digest)));
            if (answer.StatusCode is HttpStatusCode.OK) Assert.Equal(blob.Bytes, await answer.Content.ReadAsByteArrayAsync());
            return answer.StatusCode;
        }
        catch (HttpRequestException)
        {
            return null;
        }
    }

    private static async Task AsksAsync(Socket client)
    {
        var answer = new byte[12];
        await client.SendAsync("GET /v2/ HTTP/1.1\r\nHost: cache\r\n\r\n"u8.ToArray());
        using var patience = new CancellationTokenSource(Appliance.Patience);
        Assert.Equal(answer.Length, await client.ReceiveAsync(answer, patience.Token));
        Assert.Equal("HTTP/1.1 200", System.Text.Encoding.ASCII.GetString(answer));
    }

    private async Task<List<Socket>> ConnectAsync(int count)
    {
        var clients = new List<Socket>();
        for (var i = 0; i < count; i++)
        {
            var client = new Socket(SocketType.Stream, ProtocolType.Tcp);
            clients.Add(client);
            await client.ConnectAsync(IPAddress.Loopback, _registry.Port);
        }

        return clients;
    }

    private async Task<MetricValues> MetricsAsync() => MetricValues.Parse(await _client.GetStringAsync(new Uri(_admin, "/metrics")));

    private int Descriptors() => Directory.GetFileSystemEntries($"/proc/{_process.Id}/fd").Length;

    private async Task<bool> AnswersAsync(string path)
    {
        try
        {
            return (await _client.GetAsync(new Uri(_admin, path))).IsSuccessStatusCode;
        }
        catch (Exception e) when (e is HttpRequestException or TaskCanceledException)
        {
            return false;
        }
    }
}
