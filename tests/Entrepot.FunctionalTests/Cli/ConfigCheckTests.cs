using System.Text.Json.Nodes;

namespace Entrepot.FunctionalTests.Cli;

public sealed class ConfigCheckTests : IDisposable
{
    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("entrepot-check-");
    private readonly CommandLine _line;

    public ConfigCheckTests() => _line = new CommandLine { DefaultConfig = Path.Combine(_directory.FullName, "default.yaml") };

    public void Dispose()
    {
        _line.Dispose();
        _directory.Delete(recursive: true);
    }

    [Fact]
    public async Task RunAsync_NothingGiven_IsTheDefaultsAndNoFile()
    {
        var ran = (await _line.RunAsync("config", "check")).IsFine();

        Assert.Equal(["OPTION", "VALUE", "FROM"], ran.Lines[0].Split(' ', StringSplitOptions.RemoveEmptyEntries));
        Assert.All(ran.Lines[1..^1], row => Assert.EndsWith(" default", row, StringComparison.Ordinal));
        Assert.Equal($"no problems; no file ({_line.DefaultConfig} is not there); 0 options set, the rest are defaults", ran.Lines[^1]);
    }

    [Fact]
    public async Task RunAsync_AllSources_AreShownAndSecretsAreNot()
    {
        var file = Write("storage: { quota: 50GiB }\nupstreams:\n  - name: docker.io\n    username: me\n    password: hunter2\n");
        _line.Environment["ENTREPOT_STORAGE__ROOT"] = "/srv/x";

        var ran = (await _line.RunAsync("config", "check", "--config", file, "--limits.connections", "5")).IsFine();

        Row(ran, "storage.quota", "50GiB", $"{file}:1");
        Row(ran, "storage.root", "/srv/x", "environment ENTREPOT_STORAGE__ROOT");
        Row(ran, "limits.connections", "5", "flag --limits.connections");
        Row(ran, "upstreams[docker.io].password", "(set)", $"{file}:5");
        Row(ran, "upstreams[docker.io].tagTtl", "1m", "default");
        Assert.DoesNotContain("hunter2", ran.Out);
        Assert.Equal($"no problems; {file}; 6 options set, the rest are defaults", ran.Lines[^1]);
    }

    [Fact]
    public async Task RunAsync_WarmSchedules_AreListedEachWithItsOptions()
    {
        var file = Write("warm:\n  - { from: images.txt, every: 6h, platforms: [linux/amd64, linux/arm64] }\n  - from: compose.yaml\n    every: 90m\n    pin: true\n");

        var ran = (await _line.RunAsync("config", "check", "--config", file)).IsFine();

        Row(ran, "warm[0].from", "images.txt", $"{file}:2");
        Row(ran, "warm[0].every", "6h", $"{file}:2");
        Assert.Contains(ran.Lines, line => line.StartsWith("warm[0].platforms ", StringComparison.Ordinal) && line.Contains(" linux/amd64, linux/arm64 ", StringComparison.Ordinal));
        Row(ran, "warm[0].pin", "false", "default");
        Row(ran, "warm[1].pin", "true", $"{file}:5");
        Row((await _line.RunAsync("config", "check")).IsFine(), "warm", "-", "default");
    }

    [Fact]
    public async Task RunAsync_LogFlagsOfServe_AreAllowedAndCheckedButIgnored()
    {
        var plain = (await _line.RunAsync("config", "check")).IsFine();

        var ran = (await _line.RunAsync("config", "check", "--log-format", "json", "--log-level", "debug")).IsFine();

        Assert.Equal(plain.Out, ran.Out);
        Assert.Equal(2, (await _line.RunAsync("config", "check", "--log-level", "loud")).Status);
    }

    [Fact]
    public async Task RunAsync_DefaultFile_IsReadIfItIsThere()
    {
        File.WriteAllText(_line.DefaultConfig, "offline: true\n");

        Row((await _line.RunAsync("config", "check")).IsFine(), "offline", "true", $"{_line.DefaultConfig}:1");
    }

    [Theory]
    [InlineData("text")]
    [InlineData("json")]
    public async Task RunAsync_Problems_AreAllToldAndStatus1(string output)
    {
        var file = Write("quota: 1GB\n");
        _line.Environment["ENTREPOT_LIMITS__CONNECTIONS"] = "0";
        _line.Environment["ENTREPOT_OFLINE"] = "true";

        var ran = await _line.RunAsync("config", "check", "--config", file, "--admin", "nowhere", "--output", output);

        string[] problems =
        [
            $"{file}:1: quota: is unknown",
            "environment ENTREPOT_LIMITS__CONNECTIONS: limits.connections: '0' is not allowed; allowed: 1 to 1000000",
            "flag --admin: admin: 'nowhere' is not allowed; allowed: an IP address and a port, e.g. 0.0.0.0:5000 (every interface), 127.0.0.1:5000 or [::]:5000",
        ];
        const string Warning = "environment ENTREPOT_OFLINE is not an option and is ignored; did you mean ENTREPOT_OFFLINE?";
        if (output == "text")
        {
            ran.IsFailure([.. problems, Warning]);
            Assert.Empty(ran.Out);
            return;
        }

        Assert.Equal((1, ""), (ran.Status, ran.Error));
        await Schemas.CheckAsync("config", ran.Out);
        var json = JsonNode.Parse(ran.Out)!;
        Assert.Equal(problems, json["problems"]!.AsArray().Select(one => $"{one!["origin"]}: {one["path"]}: {one["text"]}"));
        Assert.Equal(Warning, (string?)Assert.Single(json["warnings"]!.AsArray()));
        Assert.Empty(json["options"]!.AsArray());
    }

    [Fact]
    public async Task RunAsync_UnknownEnvironmentName_IsAWarningOnly()
    {
        _line.Environment["ENTREPOT_OFLINE"] = "true";
        _line.Environment["ENTREPOT_SERVER"] = "http://127.0.0.1:1";

        var ran = await _line.RunAsync("config", "check");

        Assert.Equal(0, ran.Status);
        Assert.Equal("entrepot: environment ENTREPOT_OFLINE is not an option and is ignored; did you mean ENTREPOT_OFFLINE?\n", ran.Error);
    }

    [Fact]
    public async Task RunAsync_Json_IsWhatTheSchemaSays()
    {
        var file = Write("listen: ['127.0.0.1:1', '127.0.0.1:2']\nupstreams: [{ name: a.example, username: me, password: hunter2 }]\n");

        var ran = (await _line.RunAsync("config", "check", "--config", file, "--output", "json")).IsFine();

        await Schemas.CheckAsync("config", ran.Out);
        Assert.DoesNotContain("hunter2", ran.Out);
        var json = JsonNode.Parse(ran.Out)!;
        Assert.Equal(file, (string?)json["file"]);
        var listen = json["options"]!.AsArray().Single(one => (string?)one!["path"] == "listen")!;
        Assert.Equal(["127.0.0.1:1", "127.0.0.1:2"], listen["values"]!.AsArray().Select(value => (string?)value));
        Assert.Equal($"{file}:1", (string?)listen["origin"]);
    }

    [Fact]
    public async Task RunAsync_FileThatIsNotThere_IsAProblem() =>
        (await _line.RunAsync("config", "check", "--config", "/nonexistent.yaml")).IsFailure("/nonexistent.yaml: cannot be read: there is no such file");

    private static void Row(Ran ran, string path, string value, string origin)
    {
        var row = Assert.Single(ran.Lines, line => line.StartsWith(path + ' ', StringComparison.Ordinal));
        Assert.Equal([path, value, .. origin.Split(' ')], row.Split(' ', StringSplitOptions.RemoveEmptyEntries));
    }

    private string Write(string yaml)
    {
        var path = Path.Combine(_directory.FullName, "x.yaml");
        File.WriteAllText(path, yaml);
        return path;
    }
}
