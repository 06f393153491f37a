using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text.Json;
using Entrepot.Server;
using Entrepot.Server.Cli;
using Entrepot.Server.Options;

namespace Entrepot.Tests.Cli;

public sealed class EntrepotCommandTests : IDisposable
{
    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("entrepot-cli-");
    private readonly CancellationTokenSource _stop = new();
    private StringWriter _out = new();
    private readonly StringWriter _error = new();
    private readonly Dictionary<string, string> _environment = [];
    private EntrepotOptions? _started;
    private bool _isTerminal;

    public void Dispose()
    {
        _stop.Dispose();
        _directory.Delete(recursive: true);
    }

    [Theory]
    [InlineData("--help")]
    [InlineData("-h")]
    [InlineData("serve", "--help")]
    public async Task RunAsync_Help_TeachesWithExamplesAndIsFine(params string[] arguments)
    {
        Assert.Equal(0, await RunAsync(arguments));

        var help = _out.ToString();
        Assert.Contains("--storage.root <path>", help);
        Assert.Contains("--config", help);
        Assert.Contains("Examples:", help);
        Assert.DoesNotContain("password", help);
        Assert.Null(_started);
    }

    [Fact]
    public async Task RunAsync_Version_IsNameAndNumber()
    {
        Assert.Equal(0, await RunAsync("--version"));

        Assert.Matches(@"^entrepot \d+\.\d+\.\d+\n$", _out.ToString());
    }

    [Theory]
    [InlineData("unknown flag '--storage.rot'; did you mean --storage.root?", "--storage.rot", "x")]
    [InlineData("unknown flag '--password'", "--password=hunter2")]
    [InlineData("unknown flag '-x'", "-x")]
    [InlineData("unknown command 'pull'", "pull")]
    [InlineData("unknown command 'statsu'; did you mean status?", "statsu")]
    [InlineData("unknown command 'option'", "option")]
    [InlineData("--log-format 'xml' is not allowed; allowed: text, json", "--log-format", "xml")]
    [InlineData("--log-level 'loud' is not allowed; allowed: debug, information, warning, error", "--log-level", "loud")]
    public Task RunAsync_BadCommandLine_IsOneReasonAndStatus2(string expected, params string[] arguments) =>
        IsRefusedAsync(expected, "entrepot --help", arguments);

    [Theory]
    [InlineData("serve", "unexpected argument 'again'", "serve", "again")]
    [InlineData("list", "unexpected argument 'b'", "list", "a", "b")]
    [InlineData("status", "unexpected argument 'now'", "status", "now")]
    [InlineData("refresh", "'refresh' needs at least one ref, e.g. alpine:3.20 or 'ghcr.io/org/*'", "refresh")]
    [InlineData("pin", "'pin' needs at least one ref, e.g. alpine:3.20 or 'ghcr.io/org/*'", "pin", "--output", "json")]
    [InlineData("verify", "unknown flag '--outpt'; did you mean --output?", "verify", "--outpt", "json")]
    [InlineData("list", "unknown flag '--outpt'; did you mean --output?", "list", "--outpt", "json")]
    [InlineData("remove", "unknown flag '--outpt'; did you mean --output?", "remove", "alpine", "--outpt=json")]
    [InlineData("list", "--output 'xml' is not allowed; allowed: text, json", "list", "--output", "xml")]
    [InlineData("config", "'config' needs a command: check", "config")]
    [InlineData("config", "unknown command 'chek'; did you mean check?", "config", "chek")]
    [InlineData("config check", "unknown flag '--storage.rot'; did you mean --storage.root?", "config", "check", "--storage.rot", "x")]
    public Task RunAsync_BadCommandLineOfACommand_NamesItsHelp(string command, string expected, params string[] arguments) =>
        IsRefusedAsync(expected, $"entrepot {command} --help", arguments);

    [Theory]
    [InlineData("ftp://127.0.0.1")]
    [InlineData("http://127.0.0.1:5001/api")]
    [InlineData("http://me@127.0.0.1:5001", "the value (not shown: it may hold a password)")]
    [InlineData("127.0.0.1:x")]
    public async Task RunAsync_ServerThatIsNoAddress_IsStatus2(string server, string? shown = null)
    {
        const string Allowed = "is not allowed; allowed: http:// or https://, a host and an optional port, e.g. http://127.0.0.1:5001";
        await IsRefusedAsync($"--server {shown ?? $"'{server}'"} {Allowed}", "entrepot status --help", "status", "--server", server);

        _environment["ENTREPOT_SERVER"] = server;
        await IsRefusedAsync($"ENTREPOT_SERVER {shown ?? $"'{server}'"} {Allowed}", "entrepot verify --help", "verify");
    }

    [Theory]
    [InlineData("--server", "127.0.0.1:1", "warm", "alpine")]
    [InlineData("warm", "alpine", "--server", "127.0.0.1:1")]
    [InlineData("--server", "127.0.0.1:1", "bundle", "export", "-o", "site.tar", "alpine")]
    [InlineData("bundle", "--server", "127.0.0.1:1", "export", "-o", "site.tar", "alpine")]
    [InlineData("bundle", "export", "-o", "site.tar", "alpine", "--server=127.0.0.1:1")]
    public async Task RunAsync_ServerAnywhere_IsAsked(params string[] arguments)
    {
        _environment["ENTREPOT_SERVER"] = "127.0.0.1:2";

        Assert.Equal(1, await RunAsync(arguments));

        Assert.StartsWith("entrepot: nothing answers at http://127.0.0.1:1 (", Assert.Single(Lines(_error)), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("entrepot warm --help", "--server", "ftp://x", "warm", "alpine")]
    [InlineData("entrepot bundle export --help", "bundle", "--server", "ftp://x", "export", "-o", "site.tar", "alpine")]
    public Task RunAsync_ServerBeforeACommandThatIsNoAddress_IsStatus2(string help, params string[] arguments) => IsRefusedAsync(
        "--server 'ftp://x' is not allowed; allowed: http:// or https://, a host and an optional port, e.g. http://127.0.0.1:5001", help, arguments);

    [Theory]
    [InlineData("entrepot --help", "--server", "127.0.0.1:1")]
    [InlineData("entrepot serve --help", "--server", "127.0.0.1:1", "serve")]
    [InlineData("entrepot serve --help", "serve", "--server", "127.0.0.1:1")]
    [InlineData("entrepot config check --help", "--server", "127.0.0.1:1", "config", "check")]
    [InlineData("entrepot config check --help", "config", "check", "--server=127.0.0.1:1")]
    [InlineData("entrepot options --help", "--server", "127.0.0.1:1", "options")]
    public Task RunAsync_ServerForACommandThatAsksNone_IsStatus2(string help, params string[] arguments) =>
        IsRefusedAsync("--server is for the commands that ask a running server, such as 'entrepot status'", help, arguments);

    private async Task IsRefusedAsync(string expected, string help, params string[] arguments)
    {
        _error.GetStringBuilder().Clear();

        Assert.Equal(2, await RunAsync(arguments));

        Assert.Equal([$"entrepot: {expected}", $"entrepot: run '{help}' to see what is allowed"], Lines(_error));
        Assert.Empty(_out.ToString());
        Assert.Null(_started);
    }

    [Theory]
    [InlineData("status")]
    [InlineData("list")]
    [InlineData("refresh")]
    [InlineData("pin")]
    [InlineData("unpin")]
    [InlineData("remove")]
    [InlineData("verify")]
    [InlineData("config", "check")]
    public async Task RunAsync_HelpOfACommand_HasAtLeastTwoExamplesOfIt(params string[] command)
    {
        Assert.Equal(0, await RunAsync([.. command, "--help"]));

        var examples = _out.ToString().Split("Examples:\n")[1];
        Assert.True(examples.Split('\n').Count(line => line.StartsWith($"  entrepot {string.Join(' ', command)}", StringComparison.Ordinal)) >= 2, examples);
        Assert.Contains("--output <text|json>", _out.ToString());
    }

    [Theory]
    [InlineData("--config")]
    [InlineData("--admin", "127.0.0.1:1", "--admin", "127.0.0.1:2")]
    public async Task RunAsync_FlagWithoutOrWithTooManyValues_IsStatus2(params string[] arguments)
    {
        Assert.Equal(2, await RunAsync(arguments));
        Assert.Contains(arguments[0], Lines(_error)[0]);
    }

    [Fact]
    public async Task RunAsync_BadOptions_AreAllToldAndStatus1()
    {
        _environment["ENTREPOT_LIMITS__CONNECTIONS"] = "0";
        _environment["ENTREPOT_UNKNOWN"] = "x";

        Assert.Equal(1, await RunAsync("--admin", "nowhere", "--config", Write("quota: 1GB")));

        var lines = Lines(_error);
        Assert.Equal(4, lines.Length);
        Assert.All(lines, line => Assert.StartsWith("entrepot: ", line, StringComparison.Ordinal));
        Assert.Contains("x.yaml:1: quota: is unknown", lines[0]);
        Assert.Null(_started);
    }

    [Fact]
    public async Task RunAsync_ConfigThatIsNotThere_IsStatus1()
    {
        Assert.Equal(1, await RunAsync("--config", "/nonexistent.yaml"));
        Assert.Equal(["entrepot: /nonexistent.yaml: cannot be read: there is no such file"], Lines(_error));
    }

    [Fact]
    public async Task RunAsync_HostCannotStart_IsItsOneLineAndStatus1()
    {
        Assert.Equal(1, await RunAsync((_, _, _) => throw new StartupException("port 5000 is taken"), []));
        Assert.Equal(["entrepot: port 5000 is taken"], Lines(_error));
        Assert.Empty(_out.ToString());
    }

    [Fact]
    public async Task RunAsync_AskedToEndWhileStarting_IsFine()
    {
        var status = await RunAsync(async (_, _, cancel) =>
        {
            await _stop.CancelAsync();
            cancel.ThrowIfCancellationRequested();
            throw new InvalidOperationException("not cancelled");
        }, []);

        Assert.Equal(0, status);
        Assert.Empty(_error.ToString());
    }

    [Theory]
    [InlineData()]
    [InlineData("serve")]
    public async Task RunAsync_Terminal_PrintsTheStartMessageAndEndsWhenAsked(params string[] arguments)
    {
        _isTerminal = true;

        Assert.Equal(0, await ServeAsync(arguments));

        Assert.StartsWith($"Entrepot {Product.Version}, ", _out.ToString(), StringComparison.Ordinal);
        Assert.Contains("registry-mirrors", _out.ToString());
        Assert.Empty(_error.ToString());
    }

    [Fact]
    public async Task RunAsync_NoTerminal_LogsTheStartMessageAsJson()
    {
        Assert.Equal(0, await ServeAsync());

        Assert.All(Lines(_out), line => JsonDocument.Parse(line).Dispose());
        Assert.Contains("docker.io", _out.ToString());
    }

    [Theory]
    [InlineData(true, "json", '{')]
    [InlineData(false, "text", 'E')]
    public async Task RunAsync_LogFormat_OverridesTheTerminal(bool isTerminal, string format, char first)
    {
        _isTerminal = isTerminal;

        Assert.Equal(0, await ServeAsync("--log-format", format));

        Assert.Equal(first, _out.ToString()[0]);
    }

    [Fact]
    public async Task RunAsync_UnknownEnvironmentName_IsLoggedAndServed()
    {
        _environment["ENTREPOT_SCRUB"] = "64MiB";

        Assert.Equal(0, await ServeAsync("--log-format", "text"));

        Assert.Contains("WRN environment ENTREPOT_SCRUB is not an option and is ignored\n", _out.ToString());
    }

    [Fact]
    public async Task RunAsync_DefaultConfig_IsReadIfItExistsAndNoOtherIsNamed()
    {
        Write("limits: { connections: 5 }", "default.yaml");
        Assert.Equal(0, await ServeAsync());
        Assert.Equal(5, _started!.Connections);
    }

    [Fact]
    public async Task RunAsync_Config_ReplacesTheDefaultFile()
    {
        Write("limits: { connections: 5 }", "default.yaml");

        Assert.Equal(0, await ServeAsync("--config", Write("shutdownTimeout: 1s"), "serve", "--limits.manifest", "1MiB"));

        Assert.Equal((10_000, 1 << 20, TimeSpan.FromSeconds(1)), (_started!.Connections, _started.ManifestLimit, _started.ShutdownTimeout));
    }

    [Fact]
    public async Task RunAsync_EveryFlag_ReachesItsOption()
    {
        Assert.Equal(0, await ServeAsync("--listen", "127.0.0.1:0", "--listen", "[::1]:0", "--defaultUpstream", "quay.io",
            "--shutdownTimeout", "2s", "--limits.minRate", "2KB/s", "--limits.connections=9", "--limits.manifest", "2MiB"));

        Assert.Equal(["127.0.0.1:0", "[::1]:0"], _started!.Listen);
        Assert.Equal(("quay.io", TimeSpan.FromSeconds(2), 2000.0, 9, 2 << 20),
            (_started.DefaultUpstream, _started.ShutdownTimeout, _started.MinRate, _started.Connections, _started.ManifestLimit));
    }

    [Fact]
    public async Task RunAsync_Options_PrintsTheReference()
    {
        Assert.Equal(0, await RunAsync("options"));
        Assert.Equal(OptionsReference.Markdown(), _out.ToString());
    }

    [Fact]
    public async Task RunAsync_HangUpWhileStarting_TakesTheFileOverThatIsThereByThen()
    {
        // Without this one a signal that nobody listens to would end the tests.
        var received = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var guard = PosixSignalRegistration.Create(PosixSignal.SIGHUP, signal =>
        {
            signal.Cancel = true;
            received.TrySetResult();
        });
        _stop.CancelAfter(TimeSpan.FromSeconds(20));
        _out = new Watch("Options read again: the quota is 1234567890 bytes", _stop.Cancel);
        (_environment["ENTREPOT_LISTEN"], _environment["ENTREPOT_ADMIN"]) = ("127.0.0.1:0", "127.0.0.1:0");
        _environment["ENTREPOT_STORAGE__ROOT"] = Path.Combine(_directory.FullName, "root");

        Assert.Equal(0, await RunAsync(async (options, parts, cancel) =>
        {
            Write("storage: { quota: 1234567890B }", "default.yaml");
            using var kill = Process.Start("kill", ["-HUP", $"{Environment.ProcessId}"]);
            await kill.WaitForExitAsync(cancel);
            await received.Task.WaitAsync(cancel);
            return await EntrepotHost.StartAsync(options, parts, cancel);
        }, []));

        Assert.Contains("the quota is 1234567890 bytes", _out.ToString());
    }

    private Task<int> RunAsync(params string[] arguments) =>
        RunAsync((_, _, _) => throw new InvalidOperationException("must not be started"), arguments);

    // Serves on free ports under a directory of its own, and is asked to end as soon as it has said that it is ready.
    private Task<int> ServeAsync(params string[] arguments)
    {
        if (!arguments.Contains("--listen")) _environment["ENTREPOT_LISTEN"] = "127.0.0.1:0";
        _environment["ENTREPOT_ADMIN"] = "127.0.0.1:0";
        _environment["ENTREPOT_STORAGE__ROOT"] = Path.Combine(_directory.FullName, "root");
        return RunAsync(async (options, parts, cancel) =>
        {
            _started = options;
            var host = await EntrepotHost.StartAsync(options, parts, cancel);
            await _stop.CancelAsync();
            return host;
        }, arguments);
    }

    private Task<int> RunAsync(StartHost start, string[] arguments) => EntrepotCommand.RunAsync(arguments, new Surroundings
    {
        Out = _out,
        Error = _error,
        Environment = _environment,
        Stop = _stop.Token,
        IsTerminal = _isTerminal,
        DefaultConfig = Path.Combine(_directory.FullName, "default.yaml"),
        Start = start,
    });

    private string Write(string yaml, string name = "x.yaml")
    {
        var path = Path.Combine(_directory.FullName, name);
        File.WriteAllText(path, yaml);
        return path;
    }

    /// <summary>Says when something has been written.</summary>
    private sealed class Watch(string text, Action seen) : StringWriter
    {
        public override void Write(string? value)
        {
            base.Write(value);
            if (value?.Contains(text, StringComparison.Ordinal) == true) seen();
        }
    }

    private static string[] Lines(StringWriter writer) => writer.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries);
}
