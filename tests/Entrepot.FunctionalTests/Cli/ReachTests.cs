using System.Net;
using System.Net.Sockets;
using Entrepot.FunctionalTests.Bundles;
using Entrepot.FunctionalTests.Kit;
using Entrepot.FunctionalTests.Registry;
using Entrepot.FunctionalTests.Upstream;

namespace Entrepot.FunctionalTests.Cli;

/// <summary>What a command says when the admin API is not where it looks.</summary>
public sealed class ReachTests : IDisposable
{
    private const string Archive = "{archive}";   // a layout that is there as long as a test

    private readonly ImageArchive _files = new();

    public static TheoryData<string[]> Commands => new(
        ["status"], ["list"], ["list", "alpine"], ["refresh", "alpine"], ["pin", "alpine"], ["unpin", "alpine"], ["remove", "alpine"], ["verify"],
        ["warm", "alpine"], ["bundle", "export", "-o", Path.Combine(Path.GetTempPath(), "entrepot-never.tar"), "alpine"],
        ["bundle", "import", Archive]);

    public void Dispose() => _files.Dispose();

    [Theory]
    [MemberData(nameof(Commands))]
    public async Task RunAsync_ServerIsNotRunning_SaysHowToStartIt(string[] arguments)
    {
        var nobody = FreePort();

        foreach (var output in (string[])["text", "json"])
        {
            var ran = await CommandLine.RunAsync(nobody, [.. There(arguments), "--output", output]);

            ran.IsFailure($"nothing answers at http://{nobody.Authority} (Connection refused); start the server with 'entrepot serve', or say with --server where it is");
            Assert.Empty(ran.Out);
        }
    }

    [Fact]
    public async Task RunAsync_AnotherMachineThatIsNotThere_SpeaksOfItsAdminOption()
    {
        using var line = new CommandLine();

        var ran = await line.RunAsync("status", "--server", "cache.invalid:5001");

        Assert.Equal(1, ran.Status);
        Assert.StartsWith("entrepot: nothing answers at http://cache.invalid:5001 (", ran.Error, StringComparison.Ordinal);
        Assert.EndsWith(
            "does the server run there, and has its option 'admin' that address? By default only its own machine reaches it, at http://127.0.0.1:5001\n",
            ran.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("cache.invalid", "http://cache.invalid:5001")]
    [InlineData("cache.invalid/", "http://cache.invalid:5001")]
    [InlineData("cache.invalid:80", "http://cache.invalid")]
    [InlineData("cache.invalid:5003", "http://cache.invalid:5003")]
    [InlineData("http://cache.invalid", "http://cache.invalid")]
    [InlineData("[100::1]", "http://[100::1]:5001")]   // of no machine: what is sent there is discarded
    public async Task RunAsync_ServerWithoutScheme_HasTheAdminPortUnlessItNamesOne(string server, string asked)
    {
        using var line = new CommandLine();

        var ran = await line.RunAsync("status", "--server", server);

        Assert.StartsWith($"entrepot: nothing answers at {asked} (", ran.Error, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Commands))]
    public async Task RunAsync_RegistryPort_SaysWhichPortIsWanted(string[] arguments)
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry);

        var ran = await CommandLine.RunAsync(cache.Url, There(arguments));

        ran.IsFailure($"http://{cache.Url.Authority} is a registry port, which engines pull from; commands want the admin port: "
            + "try --server http://127.0.0.1:5001, or what the option 'admin' says");
        Assert.Empty(registry.Log.All);
    }

    [Fact]
    public async Task RunAsync_SeveralReferencesAndNoServer_ComplainsOnce()
    {
        var ran = await CommandLine.RunAsync(FreePort(), "pin", "a", "b");

        Assert.Equal(1, ran.Status);
        Assert.Single(ran.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries));
    }

    [Theory]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi", "answers 200, but not as the admin API does")]
    [InlineData("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", "answers 302, but not as the admin API does")]
    [InlineData("HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}", "answers 404, but not as the admin API does")]
    [InlineData("SSH-2.0-OpenSSH_9.2\r\n\r\n", "does not speak HTTP")]
    public async Task RunAsync_SomethingElseAnswers_SaysThatItIsNotTheAdminApi(string answer, string what)
    {
        await using var other = new RawServer(answer);

        var ran = await CommandLine.RunAsync(other.Address, "status");

        ran.IsFailure($"what answers at http://{other.Address.Authority} is not Entrepot's admin API: it {what}; "
            + "say with --server where the option 'admin' has it, by default http://127.0.0.1:5001");
    }

    [Fact]
    public async Task RunAsync_ServerThatFails_PointsToItsLog()
    {
        await using var other = new RawServer("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");

        (await CommandLine.RunAsync(other.Address, "verify")).IsFailure($"http://{other.Address.Authority} failed with status 500; see the server's log");
    }

    [Fact]
    public async Task RunAsync_AnswerOfAnotherVersion_SaysSo()
    {
        await using var other = new RawServer("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n[]");

        var ran = await CommandLine.RunAsync(other.Address, "status");

        Assert.Equal(1, ran.Status);
        Assert.StartsWith($"entrepot: the answer of http://{other.Address.Authority} cannot be understood (", ran.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task RunAsync_AnswerThatBreaks_SaysSo()
    {
        await using var other = new RawServer("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 200\r\nConnection: close\r\n\r\n{");

        var ran = await CommandLine.RunAsync(other.Address, "list");

        ran.IsFailure($"http://{other.Address.Authority} went away in the middle of its answer; what is printed was done, the rest may not have been; see the server's log");
    }

    [Fact]
    public async Task RunAsync_ServerKilledBeforeItAnswers_IsNotTakenForAnother()
    {
        using var server = new TcpListener(IPAddress.Loopback, 0);
        server.Start();
        var running = CommandLine.RunAsync(new Uri($"http://{server.LocalEndpoint}"), "status");
        using (var connection = await server.AcceptSocketAsync())
        {
            await connection.ReceiveAsync(new byte[1]);
            connection.LingerState = new LingerOption(true, 0);   // what it has not read makes the system reset it
        }

        (await running).IsFailure($"http://{server.LocalEndpoint} went away in the middle of its answer; what is printed was done, the rest may not have been; see the server's log");
    }

    [Fact]
    public async Task RunAsync_ServerThatNeverAnswers_IsGivenUp()
    {
        using var silent = new TcpListener(IPAddress.Loopback, 0);
        silent.Start();
        using var line = new CommandLine { ServerPatience = TimeSpan.FromMilliseconds(200) };

        var ran = await line.RunAsync("status", "--server", $"{silent.LocalEndpoint}");

        ran.IsFailure($"http://{silent.LocalEndpoint} has not answered within 0.2 s; is it the admin port, and does the server still run?");
    }

    [Theory]
    [MemberData(nameof(Commands))]
    public async Task RunAsync_ServerThatTakesTheRequestAndIsSilent_IsGivenUp(string[] arguments)
    {
        await using var silent = new RawServer("", isSilentAfterwards: true);
        using var line = new CommandLine { ServerPatience = TimeSpan.FromMilliseconds(200) };

        var ran = await line.RunAsync([.. There(arguments), "--server", silent.Address.Authority]);

        ran.IsFailure($"http://{silent.Address.Authority} has not answered within 0.2 s; is it the admin port, and does the server still run?");
    }

    [Theory]
    [InlineData("list", "application/json", "{")]
    [InlineData("verify", "application/x-ndjson", "\n")]
    public async Task RunAsync_AnswerThatStopsInTheMiddle_IsGivenUp(string command, string type, string beginning)
    {
        await using var silent = new RawServer($"HTTP/1.1 200 OK\r\nContent-Type: {type}\r\nContent-Length: 200\r\n\r\n{beginning}", isSilentAfterwards: true);
        using var line = new CommandLine { ServerPatience = TimeSpan.FromMilliseconds(500) };

        var ran = await line.RunAsync(command, "--server", silent.Address.Authority);

        ran.IsFailure($"http://{silent.Address.Authority} has been silent for 0.5 s in the middle of its answer; does the server still run? What is printed was done, the rest may not have been");
    }

    [Fact]
    public async Task RunAsync_LastLineIsAnError_IsSaid()
    {
        const string Body = "\n{\"reference\":\"docker.io/org/app:1\",\"outcome\":\"unchanged\"}\n{\"error\":\"the store failed\"}\n";
        await using var other = new RawServer(
            $"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nContent-Length: {Body.Length}\r\nConnection: close\r\n\r\n{Body}");

        var ran = await CommandLine.RunAsync(other.Address, "refresh", "docker.io/*");

        ran.IsFailure("the store failed");
        Assert.Equal(["unchanged docker.io/org/app:1"], ran.Lines);
    }

    [Fact]
    public async Task RunAsync_InterruptedWhileWaiting_EndsWithAWord()
    {
        await using var silent = new RawServer("", isSilentAfterwards: true);
        using var line = new CommandLine();
        var running = line.RunAsync("verify", "--server", silent.Address.Authority);
        await silent.Asked;

        line.Interrupt();

        (await running).IsFailure("interrupted at its beginning");
    }

    private string[] There(string[] arguments) => [.. arguments.Select(argument => argument == Archive ? Layout() : argument)];

    private string Layout()
    {
        var image = new Content().AddImage("org/app", "1", TestBlob.Random(1000, seed: 1));
        return _files.Layout("site.tar", ("docker.io/org/app:1", image));
    }

    private static Uri FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return new Uri($"http://{listener.LocalEndpoint}");
    }
}
