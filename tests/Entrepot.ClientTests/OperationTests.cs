using System.Diagnostics;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using Entrepot.ClientTests.Images;
using Entrepot.ClientTests.Kit;

namespace Entrepot.ClientTests;

/// <summary>What operators do with the published program: scrape it, change its options, end it.</summary>
public sealed class OperationTests
{
    private const int LayerSize = 40_000_000;

    // What "docker stop" gives before it kills, which is what matters. shutdownTimeout is 7 s by default; all that comes after it, on processors that others
    // keep busy as well, has the rest.
    private static readonly TimeSpan MostToStop = TimeSpan.FromSeconds(10);

    [ClientFact]
    public async Task Metrics_AfterSomeLoad_SatisfyPromtool()
    {
        await using var scene = await Scene.StartAsync("0s", [Image("ops", 1)]);
        for (var i = 0; i < 3; i++) await PullAsync(scene, Image("ops", 1));
        using (await Http.Client.GetAsync(new Uri(scene.Entrepot.Address, "v2/library/none/manifests/1"))) { }
        var file = Path.Combine(Directory.CreateTempSubdirectory("entrepot-").FullName, "metrics");
        await File.WriteAllTextAsync(file, await scene.Entrepot.MetricsAsync());

        // It exits with 3 and writes to the error output if it has anything to say; Tool takes either for a failure.
        var said = await Tool.ReadAsync("sh", ["-c", "promtool check metrics < \"$1\" 2>&1", "sh", file]);

        Assert.Empty(said);
        Directory.Delete(Path.GetDirectoryName(file)!, recursive: true);
    }

    [ClientFact]
    public async Task HangUp_OtherAddressOfTheUpstream_IsAskedFromThenOn()
    {
        await using var scene = await Scene.StartAsync("0s", [Image("first", 1)]);
        var folder = Directory.CreateTempSubdirectory("entrepot-");
        await using (var other = await DockerRegistry.StartAsync(Path.Combine(folder.FullName, "registry"), Path.Combine(TestRun.LogFolder(nameof(OperationTests)), "other.log")))
        {
            await other.PushAsync(Image("second", 2));
            await PullAsync(scene, Image("first", 1));
            Assert.Equal(404, await StatusAsync(scene, "second"));

            await scene.Entrepot.WriteOptionsAsync("80%", other.Address);
            scene.Entrepot.HangUp();
            await PollAsync(
                () => Task.FromResult(scene.Entrepot.Lines.Any(line => line.Contains("Upstreams are read again", StringComparison.Ordinal))), "the options are not read again");

            await PullAsync(scene, Image("second", 2));
            Assert.Equal(404, await StatusAsync(scene, "none"));
            await scene.Entrepot.StopAsync();
            Assert.Contains(await other.StopAsync(), request => request.Path == "/v2/library/none/manifests/1");
        }

        Assert.DoesNotContain(await scene.Registry.StopAsync(), request => request.Path == "/v2/library/none/manifests/1");
        folder.Delete(recursive: true);
    }

    [ClientFact]
    public async Task Stop_ClientThatStopsReading_EndsInTimeAndTakesNobodyNew()
    {
        await using var scene = await Scene.StartAsync("0s", [Image("slow", 3)]);
        var image = Image("slow", 3);
        await PullAsync(scene, image);
        using var slow = await StallAsync(scene, image);

        var clock = Stopwatch.StartNew();
        var stopped = scene.Entrepot.StopAsync();
        await PollAsync(() => RefusesAsync(scene), "new connections are still accepted");
        Assert.False(stopped.IsCompleted, "the reader was not waited for");
        scene.Entrepot.HangUp();   // still listened to: by default it would end the process with another status
        await stopped;   // asserts exit status 0

        Assert.InRange(clock.Elapsed, TimeSpan.Zero, MostToStop);
    }

    [ClientFact]
    public async Task Stop_ClientThatGoesOnReading_GetsTheWholeBlob()
    {
        await using var scene = await Scene.StartAsync("0s", [Image("slow", 4)]);
        var image = Image("slow", 4);
        await PullAsync(scene, image);
        using var slow = await StallAsync(scene, image);

        var stopped = scene.Entrepot.StopAsync();
        await PollAsync(() => RefusesAsync(scene), "new connections are still accepted");
        using var body = new MemoryStream();
        await slow.GetStream().CopyToAsync(body);
        await stopped;

        var start = body.GetBuffer().AsSpan(0, (int)body.Length).IndexOf("\r\n\r\n"u8) + 4;
        Assert.Equal(Largest(image).Digest, "sha256:" + Convert.ToHexStringLower(SHA256.HashData(body.GetBuffer().AsSpan(start, (int)body.Length - start))));
    }

    private static TestImage Image(string name, int seed) => ImageBuilder.Single(
        $"library/{name}", ImageBuilder.Platform(ImageFormat.Oci, TestImage.NativeArchitecture, Layer.Plain(seed, LayerSize)));

    private static Content Largest(TestImage image) => image.Blobs.MaxBy(blob => blob.Bytes.Length)!;

    private static async Task PullAsync(Scene scene, TestImage image)
    {
        Assert.Equal(200, await StatusAsync(scene, image.Repository["library/".Length..]));
        foreach (var blob in image.Blobs)
            Assert.Equal(blob.Bytes.Length, (await Http.Client.GetByteArrayAsync(new Uri(scene.Entrepot.Address, $"v2/{image.Repository}/blobs/{blob.Digest}"))).Length);
    }

    private static async Task<int> StatusAsync(Scene scene, string name)
    {
        using var answer = await Http.Client.GetAsync(new Uri(scene.Entrepot.Address, $"v2/library/{name}/manifests/1"));
        return (int)answer.StatusCode;
    }

    // A client whose small buffer is full in the middle of a blob.
    private static async Task<TcpClient> StallAsync(Scene scene, TestImage image)
    {
        var client = new TcpClient { ReceiveBufferSize = 64 << 10 };
        await client.ConnectAsync(scene.Entrepot.Address.Host, scene.Entrepot.Address.Port);
        await client.GetStream().WriteAsync(Encoding.ASCII.GetBytes(
            $"GET /v2/{image.Repository}/blobs/{Largest(image).Digest} HTTP/1.1\r\nHost: {scene.Entrepot.Host}\r\n\r\n"));
        await PollAsync(() => Task.FromResult(client.Available > 0), "no answer has begun");
        return client;
    }

    private static async Task<bool> RefusesAsync(Scene scene)
    {
        try
        {
            using var answer = await Http.Client.GetAsync(new Uri(scene.Entrepot.Address, "v2/"));
            return (int)answer.StatusCode == 503;
        }
        catch (HttpRequestException)
        {
            return true;
        }
    }

    private static async Task PollAsync(Func<Task<bool>> condition, string failure)
    {
        var deadline = TimeProvider.System.GetUtcNow() + TimeSpan.FromSeconds(20);
        while (!await condition())
        {
            Assert.True(TimeProvider.System.GetUtcNow() < deadline, failure);
            await Task.Delay(20);
        }
    }
}
