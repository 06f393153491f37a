using System.Diagnostics.CodeAnalysis;
using Entrepot.Oci;

namespace Entrepot.Upstream;

/// <summary>One upstream's credentials, from its options, a file that may change, or Docker's configuration. Safe for concurrent use.</summary>
[SuppressMessage("Design", "CA1001", Justification = "A semaphore that is only awaited holds nothing but memory, and a retired upstream may still be asked.")]
internal sealed class CredentialSource(UpstreamOptions options, TimeProvider clock)
{
    // As long as a helper's answer is used before it is asked again: it may hand out short-lived passwords.
    private static readonly TimeSpan HelperLifetime = TimeSpan.FromMinutes(5);

    private readonly SemaphoreSlim _gate = new(1, 1);
    private FileVersion _version;              // guarded by _gate, as is what follows
    private Credentials? _known;
    private DateTimeOffset _knownUntil;

    /// <summary>The credentials now; <see cref="Credentials.None"/> if none are configured for this upstream.</summary>
    public async Task<Answer<Credentials>> GetAsync(CancellationToken cancel)
    {
        if ((options.PasswordFile ?? options.DockerConfig) is not { } path)
            return options.Username is null ? Credentials.None : new Credentials(options.Username, options.Password ?? "", false);

        await _gate.WaitAsync(cancel);
        try
        {
            var version = FileVersion.Of(path);
            if (_known is not null && version == _version && clock.GetUtcNow() < _knownUntil) return _known;

            (_known, _knownUntil) = options.PasswordFile is null
                ? await FromDockerConfigAsync(path, cancel)
                : (new Credentials(options.Username ?? "", await ReadPasswordAsync(path, cancel), false), DateTimeOffset.MaxValue);
            _version = version;
            return _known;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or FormatException)
        {
            // Ours to mend, not the upstream's: an operator has to learn which file it is.
            return new RegistryError(503, "UNAVAILABLE", "the credentials for the upstream cannot be read",
                $"{options.Name}: {Plain.Line(e.Message)}", TimeSpan.FromSeconds(5));
        }
        finally
        {
            _gate.Release();
        }
    }

    private async Task<(Credentials, DateTimeOffset)> FromDockerConfigAsync(string path, CancellationToken cancel)
    {
        var config = DockerConfig.Parse(path, await File.ReadAllBytesAsync(path, cancel));
        string[] names = [options.Name, .. options.Urls.Select(url => url.Authority)];

        if (config.HelperOf(names) is not { } helper) return (config.CredentialsOf(names), DateTimeOffset.MaxValue);
        var told = await CredentialHelper.GetAsync(helper.Name, helper.Registry, clock, cancel);
        // Docker too looks into the file when the store has nothing.
        return (told ?? config.CredentialsOf(names), clock.GetUtcNow() + HelperLifetime);
    }

    private static async Task<string> ReadPasswordAsync(string path, CancellationToken cancel)
    {
        var text = await File.ReadAllTextAsync(path, cancel);
        if (text.EndsWith('\n')) text = text[..^1];
        return text.EndsWith('\r') ? text[..^1] : text;
    }

    private readonly record struct FileVersion(DateTime Changed, long Size)
    {
        public static FileVersion Of(string path)
        {
            // Mounted secrets are links that are turned to a new folder: the link itself never changes.
            var file = (FileInfo?)File.ResolveLinkTarget(path, returnFinalTarget: true) ?? new FileInfo(path);
            return new FileVersion(file.LastWriteTimeUtc, file.Length);
        }
    }
}
