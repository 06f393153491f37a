using Entrepot.Server.Cli;
using Microsoft.Extensions.Time.Testing;

namespace Entrepot.Tests.Cli;

/// <summary>Where a command writes, and the time that passes there only as a test says.</summary>
internal sealed class Screen : IDisposable
{
    private readonly FakeTimeProvider _clock = new();
    private readonly StringWriter _out = new();

    /// <summary>All that was written.</summary>
    public string Text => _out.ToString();

    public void Pass(double seconds) => _clock.Advance(TimeSpan.FromSeconds(seconds));

    /// <summary>The process, with a person before it or a pipe behind it.</summary>
    public Surroundings Around(bool isTerminal) => new()
    {
        Out = _out,
        Error = TextWriter.Null,
        Environment = new Dictionary<string, string>(),
        Stop = CancellationToken.None,
        IsTerminal = isTerminal,
        Clock = _clock,
    };

    public void Dispose() => _out.Dispose();
}
