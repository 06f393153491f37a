using System.ComponentModel;
using System.Diagnostics;
using System.Text.Json;

namespace Entrepot.Upstream;

/// <summary>Programs that keep Docker's credentials: <c>docker-credential-NAME</c>.</summary>
internal static class CredentialHelper
{
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(10);

    // How every helper says that it knows no such registry (docker-credential-helpers, "credentials.NewErrCredentialsNotFound").
    private const string NotFound = "credentials not found";

    /// <summary>Asks a helper, which is found by the PATH variable; <see langword="null"/> if it has none for this registry.</summary>
    /// <exception cref="IOException">It cannot be run, fails, takes too long or answers nonsense; the message holds nothing of its output.</exception>
    public static async Task<Credentials?> GetAsync(string name, string registry, TimeProvider clock, CancellationToken cancel)
    {
        if (name.Length == 0 || name.Any(c => !char.IsAsciiLetterOrDigit(c) && c is not ('-' or '_' or '.')))
            throw new IOException($"'{Plain.Line(name)}' cannot be the name of a credential helper");

        var program = "docker-credential-" + name;
        using var bound = new CancellationTokenSource(Longest, clock);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(bound.Token, cancel);
        try
        {
            var (status, output) = await RunAsync(program, registry, both.Token);
            if (status == 0) return Read(program, output);
            if (output.Contains(NotFound, StringComparison.OrdinalIgnoreCase)) return null;
            throw new IOException($"{program} ended with status {status}");
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            throw new IOException($"{program} did not answer within {Longest.TotalSeconds} s");
        }
        catch (Win32Exception e)
        {
            throw new IOException($"{program} cannot be run: {e.Message}");
        }
    }

    private static async Task<(int Status, string Output)> RunAsync(string program, string registry, CancellationToken cancel)
    {
        using var process = Process.Start(new ProcessStartInfo(program, ["get"])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        try
        {
            // Read and forgotten: a full pipe would stop it.
            var errors = process.StandardError.ReadToEndAsync(cancel);
            var output = process.StandardOutput.ReadToEndAsync(cancel);
            await WriteAsync(process.StandardInput, registry, cancel);
            await Task.WhenAll(errors, output);
            await process.WaitForExitAsync(cancel);
            return (process.ExitCode, await output);
        }
        finally
        {
            if (!process.HasExited) process.Kill(entireProcessTree: true);
        }
    }

    private static async Task WriteAsync(StreamWriter input, string registry, CancellationToken cancel)
    {
        try
        {
            await input.WriteAsync(registry.AsMemory(), cancel);
            input.Close();
        }
        catch (IOException)
        {
            // It ended without reading what it was asked; its status tells why.
        }
    }

    private static Credentials Read(string program, string output)
    {
        try
        {
            using var document = JsonDocument.Parse(output);
            var username = document.RootElement.GetProperty("Username").GetString() ?? "";
            var secret = document.RootElement.GetProperty("Secret").GetString() ?? "";
            return username == "<token>" ? new Credentials("", secret, true) : new Credentials(username, secret, false);
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException)
        {
            throw new IOException($"{program} answered something else than credentials");
        }
    }
}
