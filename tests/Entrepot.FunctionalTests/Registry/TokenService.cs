using System.Globalization;
using System.Text;

namespace Entrepot.FunctionalTests.Registry;

/// <summary>Gives out Bearer tokens as registries' token services do. Safe for concurrent use.</summary>
public sealed class TokenService
{
    private const string Bearer = "Bearer ";
    private const string Basic = "Basic ";

    private readonly Lock _gate = new();
    private readonly Dictionary<string, string> _scopes = [];   // guarded by _gate; token to scope
    private readonly Dictionary<string, string> _accounts = [];   // guarded by _gate; token to the name of who asked for it
    private int _issued;                                        // guarded by _gate

    /// <summary>What <c>expires_in</c> says in seconds; it is left out if <see langword="null"/>. Tokens end only by <see cref="RevokeAll"/>.</summary>
    public int? ExpiresIn { get; init; } = 300;

    public string Service { get; init; } = "registry.test";

    /// <summary>The <c>Authorization</c> that a token costs; <see langword="null"/> if anybody gets one.</summary>
    public string? RequiredAuthorization { get; init; }

    public int Issued { get { lock (_gate) return _issued; } }

    /// <summary>Makes every token that was given out worthless.</summary>
    public void RevokeAll()
    {
        lock (_gate) _scopes.Clear();
    }

    /// <summary>The account whose token a request has; <see langword="null"/> if it has none, or nobody's.</summary>
    public string? AccountOf(ReceivedRequest request)
    {
        lock (_gate) return request.Header("Authorization") is { } value && value.StartsWith(Bearer, StringComparison.Ordinal) ? _accounts.GetValueOrDefault(value[Bearer.Length..]) : null;
    }

    internal Reply Issue(ReceivedRequest request)
    {
        if (RequiredAuthorization is { } required && request.Header("Authorization") != required) return Reply.Error(401, "UNAUTHORIZED");

        string token;
        lock (_gate)
        {
            token = string.Create(CultureInfo.InvariantCulture, $"token-{++_issued}");
            _scopes.Add(token, request.QueryValue("scope") ?? "");
            if (NameIn(request.Header("Authorization")) is { } name) _accounts.Add(token, name);
        }

        var expiry = ExpiresIn is { } seconds ? string.Create(CultureInfo.InvariantCulture, $",\"expires_in\":{seconds}") : "";
        return Reply.Json(200, $"{{\"token\":\"{token}\"{expiry}}}");
    }

    /// <returns>The challenge; <see langword="null"/> if the request has a token for its repository.</returns>
    internal Reply? Challenge(ReceivedRequest request, string repository, Uri realm)
    {
        var scope = $"repository:{repository}:pull";
        var token = request.Header("Authorization") is { } value && value.StartsWith(Bearer, StringComparison.Ordinal) ? value[Bearer.Length..] : "";
        lock (_gate)
        {
            if (_scopes.TryGetValue(token, out var granted) && (repository.Length == 0 || granted.Contains(scope, StringComparison.Ordinal)))
                return null;
        }

        var asked = repository.Length == 0 ? "" : $",scope=\"{scope}\"";
        return Reply.Error(401, "UNAUTHORIZED").With("WWW-Authenticate", $"Bearer realm=\"{realm}\",service=\"{Service}\"{asked}");
    }

    private static string? NameIn(string? authorization) => authorization?.StartsWith(Basic, StringComparison.Ordinal) == true
        ? Encoding.UTF8.GetString(Convert.FromBase64String(authorization[Basic.Length..])).Split(':')[0]
        : null;
}
