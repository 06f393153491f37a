using System.Diagnostics;
using System.Text;

namespace Entrepot.ClientTests.Kit;

/// <summary>Programs that are run to their end.</summary>
internal static class Tool
{
    /// <summary>Where Go's and .NET's programs look for the authorities that they trust.</summary>
    public const string AuthorityVariable = "SSL_CERT_FILE";

    private static readonly TimeSpan Deadline = TimeSpan.FromMinutes(2);

    /// <summary>Runs a program.</summary>
    /// <returns>What it wrote to standard output.</returns>
    /// <exception cref="InvalidOperationException">It failed; the message holds what it wrote to standard error.</exception>
    public static async Task<byte[]> RunAsync(string program, IEnumerable<string> arguments, string? logFile = null, params (string Name, string Value)[] environment)
    {
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment[AuthorityVariable] = TestAuthority.File;
        foreach (var (name, value) in environment) start.Environment[name] = value;
        using var process = Process.Start(start) ?? throw new InvalidOperationException($"{program} was not started");
        process.StandardInput.Close();

        using var output = new MemoryStream();
        var copied = process.StandardOutput.BaseStream.CopyToAsync(output);
        var error = process.StandardError.ReadToEndAsync();
        try
        {
            await Task.WhenAll(copied, error, process.WaitForExitAsync()).WaitAsync(Deadline);
        }
        catch (TimeoutException)
        {
            process.Kill(entireProcessTree: true);
            throw;
        }

        var line = $"{program} {string.Join(' ', start.ArgumentList)}";
        if (logFile is not null) await File.AppendAllTextAsync(logFile, $"{line}: exit status {process.ExitCode}\n{await error}");
        if (process.ExitCode != 0) throw new InvalidOperationException($"{line}: exit status {process.ExitCode}: {await error}");
        return output.ToArray();
    }

    /// <summary>As <see cref="RunAsync"/>, for programs that write text.</summary>
    /// <returns>Its standard output without the white space around it.</returns>
    public static async Task<string> ReadAsync(string program, IEnumerable<string> arguments, string? logFile = null, params (string Name, string Value)[] environment) =>
        Encoding.UTF8.GetString(await RunAsync(program, arguments, logFile, environment)).Trim();
}
