using System.Runtime.InteropServices;
using Entrepot.Server.Options;
using Serilog.Core;

namespace Entrepot.Server.Cli;

/// <summary>SIGHUP: the options are read again, and what serves takes them over. Options that cannot be used change nothing, and say why.</summary>
/// <remarks>
/// Safe for concurrent use: signals arrive on threads of their own, and are done in order. The owner disposes it after everything else, since a signal that nobody
/// listens to ends the process.
/// </remarks>
/// <param name="sources">Says anew at each signal where the options come from: there may be a file by then that was not there before.</param>
internal sealed class HangUps(Func<OptionSources> sources) : IDisposable
{
    private readonly Lock _gate = new();   // held from reading to taking over, so that what was read last counts
    private Action<EntrepotOptions>? _takeOver;   // guarded by _gate; null until somebody serves
    private Serilog.ILogger _log = Logger.None;   // guarded by _gate
    private bool _isOwed;   // guarded by _gate; a signal came before anybody served
    private PosixSignalRegistration? _registration;

    /// <summary>Begins to listen to the process's signal. What comes before somebody serves is made up for then.</summary>
    public void Register() => _registration = PosixSignalRegistration.Create(PosixSignal.SIGHUP, context =>
    {
        context.Cancel = true;
        Received();
    });

    /// <summary>From now on somebody serves.</summary>
    /// <param name="takeOver">Takes the options over.</param>
    /// <param name="log">Where it is said what is wrong with them.</param>
    public void Serve(Action<EntrepotOptions> takeOver, Serilog.ILogger log)
    {
        lock (_gate)
        {
            (_takeOver, _log) = (takeOver, log);
            if (_isOwed) ReloadLocked(takeOver);
        }
    }

    /// <summary>What happens when a signal arrives.</summary>
    internal void Received()
    {
        lock (_gate)
        {
            if (_takeOver is { } takeOver) ReloadLocked(takeOver);
            else _isOwed = true;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _registration?.Dispose();

    private void ReloadLocked(Action<EntrepotOptions> takeOver)
    {
        var read = OptionsReader.Read(sources());
        foreach (var problem in read.Problems) _log.Error("Options are not read again: {Problem:l}", problem.ToString());
        if (read.Problems.Count > 0) return;
        try
        {
            takeOver(read.Options);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)   // nothing may escape from a signal
        {
            _log.Error(fault, "Options are not read again: the store cannot be measured");
        }
    }
}
