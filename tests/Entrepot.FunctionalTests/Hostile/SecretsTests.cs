using System.Net;
using System.Text;
using Entrepot.FunctionalTests.Kit;
using Entrepot.FunctionalTests.Registry;
using Entrepot.FunctionalTests.Upstream;
using Entrepot.Pull;
using Entrepot.Server.Telemetry;
using Entrepot.Upstream;
using Serilog.Events;

namespace Entrepot.FunctionalTests.Hostile;

/// <summary>Passwords, tokens and signatures are in no line of the log, whatever its level, and in no answer to a client.</summary>
public sealed class SecretsTests : UpstreamTest
{
    private const string Password = "hunter2";
    private const string Signature = "Sig7531";

    // joe:hunter2
    private const string Basic = "am9lOmh1bnRlcjI=";

    private static readonly string[] Requests =
    [
        $"GET /v2/ HTTP/1.1\r\nHost: a\r\nAuthorization Basic {Basic}\r\n\r\n",
        $"GET /v2/ HTTP/1.1\r\nHost: a\r\nAuthorization : Basic {Basic}\r\n\r\n",
        $"GET /v2/ HTTP/1.1\r\nHost: a\r\nAuthorization: Basic {Basic}\r\n\r\n",
        $"GET /v2/ HTTP/1.1\r\nHost: joe:{Password}@a\r\n\r\n",
        $"GET http://joe:{Password}@a/v2/ HTTP/1.1\r\nHost: a\r\n\r\n",
        $"GET http://joe:{Password}@[/v2/ HTTP/1.1\r\nHost: a\r\n\r\n",
        $"GET /v2/?access_token={Signature} HTTP/1.1\r\nHost: a\r\n\r\n",
        $"GET /v2/org/app/manifests/1?sig={Signature} HTTP/1.1\r\nHost: a\r\n\r\n",
        $"GET /v2/?sig={Signature}\u0001 HTTP/9.9\r\nHost: a\r\n\r\n",
        $"GET /v2/ HTTP/1.1\nCookie: {Signature}\n\n",
    ];

    [Theory]
    [InlineData(LogEventLevel.Verbose)]
    [InlineData(LogEventLevel.Debug)]
    [InlineData(LogEventLevel.Information)]
    public async Task Log_ClientSendsSecrets_HasNone(LogEventLevel level)
    {
        await using var registry = new TestRegistry();
        var text = await LogAsync(level, registry, one => one, async cache =>
        {
            foreach (var server in (Uri[])[cache.Url, cache.Admin])
                foreach (var request in Requests) await StrictClient.SendAsync(server, [Encoding.Latin1.GetBytes(request)], ["GET"], 1, waitsForEnd: false);
        });

        HasNoSecret(text);
    }

    [Fact]
    public async Task Log_UpstreamIsAskedWithSecrets_HasNone()
    {
        await using var registry = new TestRegistry();
        await using var network = new TestRegistry { Content = registry.Content };
        var image = registry.Content.AddImage("org/app", "1", TestBlob.Random(1000, seed: 7100));
        registry.RequireToken();
        registry.RedirectBlobsTo(network, uses: 2);
        network.On(Ask.Blob, Misbehave.Cut(10), times: 1);
        var text = await LogAsync(LogEventLevel.Verbose, registry, one => one with { Username = "joe", Password = Password }, async cache =>
        {
            await cache.GetManifestAsync("1");
            await cache.GetBlobAsync(image.Layers[0]);
            registry.On(Ask.Anything, Misbehave.RedirectTo(new Uri($"http://joe:{Password}@127.0.0.1:1/a?sig={Signature}")), TestRegistry.Always);
            await cache.GetManifestAsync("2");
            await cache.GetBlobAsync(image.Config);
        });

        Assert.Contains("org/app", text, StringComparison.Ordinal);
        HasNoSecret(text);
        Assert.DoesNotContain("sig=", text, StringComparison.Ordinal);
        Assert.All(registry.Log.All.Where(request => request.Header("Authorization")?.StartsWith("Bearer ", StringComparison.Ordinal) == true),
            request => Assert.DoesNotContain(request.Header("Authorization")![7..], text, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("HTTP/1.1 200 OK\r\nAuthorization Basic am9lOmh1bnRlcjI=\r\n\r\n")]
    [InlineData("Authorization: Basic am9lOmh1bnRlcjI=\r\n\r\n")]
    public async Task Error_AnswerThatIsNoneRepeatsTheSecret_IsWithoutIt(string answer)
    {
        var registry = ServeRaw(answer);
        var options = new UpstreamOptions { Name = "test", Urls = [registry.Address], Username = "joe", Password = Password };

        var error = (await Connect(options).GetManifestAsync(SomeTag, default)).Error!;

        Assert.Equal(502, error.Status);
        HasNoSecret(error.ToString());
    }

    [Fact]
    public async Task Error_RegistryRepeatsTheSecret_IsWithoutItsWords()
    {
        var registry = await ServeAsync(context =>
        {
            context.Response.Headers.WWWAuthenticate = "Basic";
            var sent = context.Request.Headers.Authorization.ToString();
            return sent.Length == 0
                ? SendAsync(context, 401)
                : SendAsync(context, 403, $$"""{"errors":[{"message":"{{(context.Request.Path.Value!.Contains("/blobs/", StringComparison.Ordinal) ? sent : $"joe's {Password}")}} will not do"}]}""");
        });
        var upstream = Connect(new UpstreamOptions { Name = "test", Urls = [registry.Address], Username = "joe", Password = Password });

        var manifest = (await upstream.GetManifestAsync(SomeTag, default)).Error!;
        var blob = (await upstream.OpenBlobAsync(SomeBlob, BlobPart.Whole, default)).Error!;

        Assert.Equal((403, 403), (manifest.Status, blob.Status));
        Assert.Equal((null, null), (manifest.Detail, blob.Detail));
    }

    [Fact]
    public async Task Error_OfAProxyWithAnAccount_IsWithoutIt()
    {
        var proxy = ServeRaw("HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n");
        var options = new UpstreamOptions { Name = "test", Urls = [new Uri("https://registry.invalid")] };

        var error = (await Connect(options, proxy: new WebProxy(new Uri($"http://joe:{Password}@{proxy.Address.Authority}"))).GetManifestAsync(SomeTag, default)).Error!;

        Assert.Equal(503, error.Status);
        Assert.Contains("407", error.Detail, StringComparison.Ordinal);
        HasNoSecret(error.ToString());
    }

    [Theory]
    [InlineData(false, 502)]
    [InlineData(true, null)]
    public async Task Redirect_ToANameOfThisMachine_IsFollowedIfTheUpstreamIsHereOrTheOptionSaysSo(bool allows, int? status)
    {
        // Asked by way of a proxy the upstream is nowhere that is known; the name is only found out when it is connected to.
        var here = await ServeAsync(context => SendAsync(context, 200, "content"));
        var proxy = await ServeAsync(context =>
        {
            context.Response.Headers.Location = $"http://localhost:{here.Address.Port}/a";
            return SendAsync(context, 307);
        });
        var options = new UpstreamOptions { Name = "test", Urls = [new Uri("http://registry.invalid")], PrivateRedirects = allows };

        var answer = await Connect(options, proxy: new WebProxy(proxy.Address) { BypassList = ["localhost"] }).GetManifestAsync(SomeTag, default);

        Assert.Equal(status, answer.Error?.Status);
        Assert.Equal(allows ? 1 : 0, here.Requests.Count);
        if (!allows) Assert.Contains("privateRedirects", answer.Error!.Detail, StringComparison.Ordinal);
    }

    private static async Task<string> LogAsync(LogEventLevel level, TestRegistry registry, Func<UpstreamOptions, UpstreamOptions> upstream, Func<Appliance, Task> act)
    {
        var text = new StringWriter();
        await using (var log = Logging.Create(LogFormat.Text, level, TextWriter.Synchronized(text)))
        {
            await using var cache = await Appliance.StartAsync(registry, new Setup { Log = log, Upstream = upstream });
            await act(cache);
        }

        return text.ToString();
    }

    private static void HasNoSecret(string text)
    {
        Assert.DoesNotContain(Password, text, StringComparison.Ordinal);
        Assert.DoesNotContain(Basic, text, StringComparison.Ordinal);
        Assert.DoesNotContain(Signature, text, StringComparison.Ordinal);
    }
}
