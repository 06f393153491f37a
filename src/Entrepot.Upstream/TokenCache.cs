namespace Entrepot.Upstream;

/// <summary>What a token is good for.</summary>
internal readonly record struct TokenKey(string Realm, string Service, string Scope, string Account);

/// <summary>A bearer token. Immutable; it never shows itself.</summary>
/// <param name="Text">What is sent after <c>Bearer</c>.</param>
/// <param name="UsableUntil">When it should be replaced, some seconds before it ends.</param>
internal sealed record Token(string Text, DateTimeOffset UsableUntil)
{
    /// <inheritdoc/>
    public override string ToString() => $"a token until {UsableUntil:O}";
}

/// <summary>Tokens in use and on their way: one request for a key however many wait. Safe for concurrent use.</summary>
internal sealed class TokenCache(TimeProvider clock)
{
    // One for each repository in use; a token is some 2 KB.
    private const int Most = 1024;

    private readonly Lock _gate = new();
    private readonly Dictionary<TokenKey, Task<Attempt<Token>>> _tokens = [];   // guarded by _gate

    /// <summary>The token for a key: the known one, the one on its way, or a new one.</summary>
    /// <param name="key">What it is for.</param>
    /// <param name="rejected">A token that was refused and must not be answered; <see langword="null"/> if there is none.</param>
    /// <param name="fetch">Asks for a new one. It bounds itself, and never throws: whoever came first may leave, others wait.</param>
    /// <param name="cancel">Ends this wait only.</param>
    public Task<Attempt<Token>> GetAsync(TokenKey key, string? rejected, Func<Task<Attempt<Token>>> fetch, CancellationToken cancel)
    {
        Task<Attempt<Token>>? token;
        lock (_gate)
        {
            if (!_tokens.TryGetValue(key, out token) || !IsUsable(token, rejected))
            {
                if (_tokens.Count >= Most) MakeRoomLocked();
                _tokens[key] = token = Task.Run(fetch, CancellationToken.None);
            }
        }
        return token.WaitAsync(cancel);
    }

    // An answered error is no token: the next one asks again.
    private bool IsUsable(Task<Attempt<Token>> token, string? rejected) =>
        !token.IsCompleted || (Known(token) is { } known && known.Text != rejected && clock.GetUtcNow() < known.UsableUntil);

    private void MakeRoomLocked()
    {
        foreach (var (key, token) in _tokens)
            if (!IsUsable(token, rejected: null)) _tokens.Remove(key);
        while (_tokens.Count >= Most)
            _tokens.Remove(_tokens.MinBy(entry => Known(entry.Value)?.UsableUntil ?? DateTimeOffset.MaxValue).Key);
    }

    private static Token? Known(Task<Attempt<Token>> token) => token.IsCompletedSuccessfully ? token.Result.Value : null;
}
