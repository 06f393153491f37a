using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Entrepot.ClientTests.Kit;

/// <summary>A server process of a test. Its output goes to a log file and can be read here; disposal ends it.</summary>
internal sealed partial class Daemon : IAsyncDisposable
{
    private const int SigHup = 1;
    private const int SigTerm = 15;
    private static readonly TimeSpan StartDeadline = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan StopDeadline = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan PollEvery = TimeSpan.FromMilliseconds(20);

    private readonly Process _process;
    private readonly Lock _gate = new();
    private readonly List<string> _lines = [];   // guarded by _gate
    private readonly StreamWriter _log;          // guarded by _gate
    private readonly Task _output;
    private bool _asked;

    private Daemon(ProcessStartInfo start, string logFile)
    {
        start.RedirectStandardInput = true;
        start.RedirectStandardOutput = true;
        start.RedirectStandardError = true;
        start.Environment[Tool.AuthorityVariable] = TestAuthority.File;
        _log = new StreamWriter(logFile, append: true) { AutoFlush = true };
        _process = Process.Start(start) ?? throw new InvalidOperationException($"{start.FileName} was not started");
        _process.StandardInput.Close();
        _output = Task.WhenAll(CopyAsync(_process.StandardOutput), CopyAsync(_process.StandardError));
    }

    /// <summary>The number of the process.</summary>
    public int Id => _process.Id;

    /// <summary>The lines written so far; complete after <see cref="StopAsync"/>.</summary>
    public IReadOnlyList<string> Lines { get { lock (_gate) return [.. _lines]; } }

    /// <summary>Starts a process and waits until it is ready.</summary>
    /// <param name="start">The program and its arguments.</param>
    /// <param name="logFile">Where its output is appended.</param>
    /// <param name="ready">Asked again and again until it says yes.</param>
    /// <param name="deadline">How long that may take; a minute by default.</param>
    public static async Task<Daemon> StartAsync(ProcessStartInfo start, string logFile, Func<Task<bool>> ready, TimeSpan? deadline = null)
    {
        var daemon = new Daemon(start, logFile);
        try
        {
            await daemon.ReadyAsync(start.FileName, ready, deadline ?? StartDeadline);
            return daemon;
        }
        catch
        {
            await daemon.KillAsync();
            await daemon.DisposeAsync();
            throw;
        }
    }

    /// <summary>Asks the process to end, and waits for it and the last of its output.</summary>
    /// <returns>Its exit status.</returns>
    public async Task<int> StopAsync()
    {
        // A second signal would end some of them at once.
        if (!_asked && !_process.HasExited) Terminate();
        await EndAsync();
        return _process.ExitCode;
    }

    /// <summary>Asks the process to end, and does not wait.</summary>
    public void Terminate()
    {
        _asked = true;
        _ = SendSignal(_process.Id, SigTerm);
    }

    /// <summary>Asks the process to read its options again.</summary>
    public void HangUp() => Assert.Equal(0, SendSignal(_process.Id, SigHup));

    /// <summary>Ends the process between two of its instructions, and waits for the last of its output.</summary>
    public async Task KillAsync()
    {
        _process.Kill(entireProcessTree: true);
        await EndAsync();
    }

    public async ValueTask DisposeAsync()
    {
        try
        {
            await StopAsync();
        }
        catch (TimeoutException)
        {
            await KillAsync();
        }
        finally
        {
            await _log.DisposeAsync();
            _process.Dispose();
        }
    }

    private async Task ReadyAsync(string name, Func<Task<bool>> ready, TimeSpan deadline)
    {
        var started = Stopwatch.StartNew();
        using var timer = new PeriodicTimer(PollEvery);
        while (!await ready())
        {
            if (_process.HasExited) throw new InvalidOperationException($"{name} ended at its start: {await LastLinesAsync()}");
            if (started.Elapsed > deadline) throw new TimeoutException($"{name} is not ready: {string.Join('\n', Lines.TakeLast(10))}");
            await timer.WaitForNextTickAsync();
        }
    }

    private async Task<string> LastLinesAsync()
    {
        await EndAsync();
        return string.Join('\n', Lines.TakeLast(10));
    }

    private async Task EndAsync()
    {
        await _process.WaitForExitAsync().WaitAsync(StopDeadline);
        await _output.WaitAsync(StopDeadline);
    }

    private async Task CopyAsync(StreamReader output)
    {
        while (await output.ReadLineAsync() is { } line)
        {
            lock (_gate)
            {
                _lines.Add(line);
                _log.WriteLine(line);
            }
        }
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int SendSignal(int process, int signal);
}
