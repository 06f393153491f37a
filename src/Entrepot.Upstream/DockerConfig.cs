using System.Text;
using System.Text.Json;

namespace Entrepot.Upstream;

/// <summary>What Docker's <c>config.json</c> says about credentials. Immutable.</summary>
internal sealed class DockerConfig
{
    // Docker Hub's key since the days of its first API.
    private const string HubKey = "https://index.docker.io/v1/";
    private const string Hub = "docker.io";

    private readonly Dictionary<string, Credentials> _auths = [];
    private readonly Dictionary<string, (string Name, string Registry)> _helpers = [];
    private readonly string? _store;

    private DockerConfig(string path, JsonElement root)
    {
        foreach (var (key, entry) in Members(root, "auths"))
            if (entry.ValueKind == JsonValueKind.Object && CredentialsIn(path, key, entry) is { } credentials) _auths[HostOf(key)] = credentials;

        foreach (var (key, entry) in Members(root, "credHelpers"))
            if (entry.ValueKind == JsonValueKind.String) _helpers[HostOf(key)] = (entry.GetString()!, key);

        _store = Text(root, "credsStore");
    }

    /// <summary>Reads the file's content.</summary>
    /// <exception cref="FormatException">It is not such a file; the message names the file and what is wrong, and no secret.</exception>
    public static DockerConfig Parse(string path, ReadOnlyMemory<byte> content)
    {
        try
        {
            using var document = JsonDocument.Parse(content);
            if (document.RootElement.ValueKind == JsonValueKind.Object) return new DockerConfig(path, document.RootElement);
        }
        catch (JsonException e)
        {
            throw new FormatException($"{path} is not JSON (line {e.LineNumber + 1})");
        }
        catch (InvalidOperationException)
        {
            throw new FormatException($"{path} holds a string that is not text");
        }
        throw new FormatException($"{path} is not a JSON object");
    }

    /// <summary>The helper to be asked for a registry and what to ask it; <see langword="null"/> if the file itself answers.</summary>
    /// <param name="names">What the registry is known as; the first that the file knows counts.</param>
    public (string Name, string Registry)? HelperOf(IReadOnlyList<string> names)
    {
        foreach (var name in names)
            if (_helpers.TryGetValue(HostOf(name), out var helper)) return helper;

        if (string.IsNullOrEmpty(_store)) return null;
        return (_store, HostOf(names[0]) == Hub ? HubKey : names[0]);
    }

    /// <summary>The credentials in the file itself; <see cref="Credentials.None"/> if there are none.</summary>
    public Credentials CredentialsOf(IReadOnlyList<string> names)
    {
        foreach (var name in names)
            if (_auths.TryGetValue(HostOf(name), out var credentials)) return credentials;
        return Credentials.None;
    }

    private static Credentials? CredentialsIn(string path, string key, JsonElement entry)
    {
        if (Text(entry, "identitytoken") is { Length: > 0 } identity) return new Credentials("", identity, true);

        var (username, password) = (Text(entry, "username"), Text(entry, "password"));
        if (Text(entry, "auth") is { Length: > 0 } auth)
        {
            var bytes = new byte[auth.Length];
            if (!Convert.TryFromBase64String(auth, bytes, out var count))
                throw new FormatException($"{path}: auths.{Plain.Line(key)}.auth is not base64");
            var pair = Encoding.UTF8.GetString(bytes, 0, count);
            var colon = pair.IndexOf(':', StringComparison.Ordinal);
            if (colon < 0) throw new FormatException($"{path}: auths.{Plain.Line(key)}.auth holds no colon");
            // Docker pads with zeros.
            (username, password) = (pair[..colon], pair[(colon + 1)..].TrimEnd('\0'));
        }
        return string.IsNullOrEmpty(username) ? null : new Credentials(username, password ?? "", false);
    }

    // Keys are hosts, or addresses with a scheme and the path of an old API.
    private static string HostOf(string key)
    {
        var host = key.AsSpan();
        var scheme = host.IndexOf("://");
        if (scheme >= 0) host = host[(scheme + 3)..];
        var slash = host.IndexOf('/');
        if (slash >= 0) host = host[..slash];
        return host is "index.docker.io" or "registry-1.docker.io" ? Hub : host.ToString();
    }

    private static string? Text(JsonElement parent, string name) =>
        parent.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    private static IEnumerable<(string Key, JsonElement Entry)> Members(JsonElement root, string name)
    {
        if (!root.TryGetProperty(name, out var members) || members.ValueKind != JsonValueKind.Object) yield break;
        foreach (var member in members.EnumerateObject()) yield return (member.Name, member.Value);
    }
}
