using System.Net.Http.Headers;
using Entrepot.Oci;

namespace Entrepot.Upstream;

/// <summary>What a request is allowed by. Immutable; it never shows itself.</summary>
/// <param name="Header">The Authorization to be sent; <see langword="null"/> for none.</param>
internal sealed record Grant(AuthenticationHeaderValue? Header)
{
    public static Grant None { get; } = new((AuthenticationHeaderValue?)null);

    /// <inheritdoc/>
    public override string ToString() => Header is null ? "none" : Header.Scheme;
}

/// <summary>Turns challenges into grants: passwords as they are, tokens from their service. Safe for concurrent use.</summary>
internal sealed class Authenticator(UpstreamOptions options, Wire wire, TimeProvider clock)
{
    private const string Kind = "token";

    // Tokens of whole organizations with hundreds of claims stay below 64 KiB.
    private static readonly BodyLimit AnswerLimit = new(1 << 20);

    private readonly TokenCache _tokens = new(clock);

    /// <summary>The grant that answers a registry's challenge for one repository.</summary>
    /// <param name="registry">The registry's address.</param>
    /// <param name="challenge">What it asks for; <see langword="null"/> if it has not asked yet.</param>
    /// <param name="account">Who asks.</param>
    /// <param name="repository">What is to be pulled from.</param>
    /// <param name="rejected">The grant that the registry has just refused; <see langword="null"/> if there is none.</param>
    /// <param name="cancel">Ends the wait; a token that others wait for still comes.</param>
    public async Task<Attempt<Grant>> GrantAsync(Uri registry, Challenge? challenge, Account account, string repository, Grant? rejected, CancellationToken cancel)
    {
        if (challenge is null) return Attempt<Grant>.Of(Grant.None);

        var answer = await account.Source.GetAsync(cancel);
        if (!answer.Has(out var credentials, out var error)) return Attempt<Grant>.Refused(error);

        if (challenge.IsBasic)
            return Attempt<Grant>.Of(credentials.IsPassword ? new Grant(new AuthenticationHeaderValue("Basic", credentials.Basic)) : Grant.None);

        if (!Uri.TryCreate(challenge.Realm, UriKind.Absolute, out var realm))
            return Unusable(registry.Authority, "it asks for a token without saying where to get it");
        if (!TokenRealm.Allows(registry, realm, options.TokenRealms))
            return Unusable(registry.Authority, $"its token service {realm.Host} is not of its own domain or not https; tokenRealms allows it");

        var key = new TokenKey(challenge.Realm, challenge.Service, $"repository:{repository}:pull", credentials.Username);
        var token = await _tokens.GetAsync(key, rejected?.Header?.Parameter, () => AskAsync(realm, key, credentials), cancel);
        return token.Value is { } granted
            ? Attempt<Grant>.Of(new Grant(new AuthenticationHeaderValue("Bearer", granted.Text)))
            : token.As<Grant>();
    }

    // Many may wait for it, so that it belongs to none of them: its bounds are its own.
    private async Task<Attempt<Token>> AskAsync(Uri realm, TokenKey key, Credentials credentials)
    {
        var asked = clock.GetUtcNow();
        using var message = credentials.IsIdentityToken ? Refresh(realm, key, credentials) : Get(realm, key, credentials);
        var exchange = await wire.ExchangeAsync(message, Kind, null, CancellationToken.None);
        if (exchange.Value is not { } response) return exchange.As<Token>();

        using var disposed = response;
        var status = (int)response.StatusCode;
        if (status is >= 400 && RegistryResponse.IsPageFrom(response)) return Attempt<Token>.Refused(wire.Unusable(response, RegistryResponse.PageFrom(response)));
        if (status == 401 || (status == 400 && credentials.IsIdentityToken)) return Refused(RegistryError.Unauthorized, realm, status);
        if (status == 403) return Refused(RegistryError.Denied, realm, status);
        if (status != 200) return Attempt<Token>.Refused(wire.Unusable(response, $"status {status} instead of a token"));

        var read = await wire.ReadAsync(response, response, AnswerLimit, CancellationToken.None);
        if (!read.Has(out var content, out var error))
            return error.Status == 502 ? Attempt<Token>.Refused(error) : Attempt<Token>.Dead(error);
        return TokenAnswer.Read(content, asked) is { } token
            ? Attempt<Token>.Of(token)
            : Attempt<Token>.Refused(wire.Unusable(response, "something else than a token"));
    }

    private static HttpRequestMessage Get(Uri realm, TokenKey key, Credentials credentials)
    {
        var query = new List<string>();
        if (realm.Query.Length > 1) query.Add(realm.Query[1..]);
        if (key.Service.Length > 0) query.Add("service=" + Uri.EscapeDataString(key.Service));
        query.Add("scope=" + Uri.EscapeDataString(key.Scope));
        if (credentials.IsPassword) query.Add("account=" + Uri.EscapeDataString(credentials.Username));

        var address = new UriBuilder(realm) { Query = string.Join('&', query), Fragment = "", UserName = "", Password = "" }.Uri;
        var message = Wire.NewMessage(HttpMethod.Get, address);
        if (credentials.IsPassword) message.Headers.Authorization = new AuthenticationHeaderValue("Basic", credentials.Basic);
        return message;
    }

    private static HttpRequestMessage Refresh(Uri realm, TokenKey key, Credentials credentials)
    {
        var message = Wire.NewMessage(HttpMethod.Post, realm);
        message.Content = new FormUrlEncodedContent(
        [
            new("grant_type", "refresh_token"),
            new("service", key.Service),
            new("client_id", "entrepot"),
            new("scope", key.Scope),
            new("refresh_token", credentials.Secret),
        ]);
        return message;
    }

    private Attempt<Token> Refused(RegistryError error, Uri realm, int status) =>
        Attempt<Token>.Refused(error with { Detail = wire.Says(realm.Authority, $"the token service answered {status}") });

    private Attempt<Grant> Unusable(string host, string what) => Attempt<Grant>.Refused(RegistryError.BadGateway(wire.Says(host, what)));
}
