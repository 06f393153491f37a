namespace Entrepot.FunctionalTests.Registry;

/// <summary>One request that a <see cref="TestRegistry"/> received. Safe to read while it is being answered.</summary>
public sealed class ReceivedRequest
{
    private long _sent;
    private long _offset;
    private volatile int _status;
    private Action? _answered;
    private readonly TaskCompletionSource _done = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public required string Method { get; init; }

    /// <summary>The path, without its query.</summary>
    public required string Path { get; init; }

    /// <summary>What follows the question mark, as it was sent; empty if there was none.</summary>
    public required string Query { get; init; }

    /// <summary>Header lines in their order; a name may be there several times.</summary>
    public required IReadOnlyList<(string Name, string Value)> Headers { get; init; }

    public required string Body { get; init; }

    /// <summary>The number of its connection, counted from 1.</summary>
    public required int Connection { get; init; }

    /// <summary>Body bytes that were handed to the socket so far.</summary>
    public long Sent => Interlocked.Read(ref _sent);

    /// <summary>Where the body that it was answered with begins in the blob.</summary>
    public long Offset { get => Interlocked.Read(ref _offset); internal set => Interlocked.Exchange(ref _offset, value); }

    /// <summary>The status it was answered with; 0 until then.</summary>
    public int Status { get => _status; internal set => _status = value; }

    /// <summary>What the path ends with: a digest or a tag.</summary>
    public string Target => Path[(Path.LastIndexOf('/') + 1)..];

    public bool IsBlob => Path.Contains("/blobs/", StringComparison.Ordinal) || Path.StartsWith("/signed/", StringComparison.Ordinal);

    public bool IsManifest => Path.Contains("/manifests/", StringComparison.Ordinal);

    public bool IsToken => Path == "/token";

    /// <summary>All values of a header, joined as HTTP says; <see langword="null"/> if it was not sent.</summary>
    public string? Header(string name)
    {
        var values = Headers.Where(header => header.Name.Equals(name, StringComparison.OrdinalIgnoreCase)).Select(header => header.Value);
        return values.Any() ? string.Join(", ", values) : null;
    }

    /// <summary>One value of the query, unescaped; <see langword="null"/> if it is not there.</summary>
    public string? QueryValue(string name)
    {
        foreach (var pair in Query.Split('&', StringSplitOptions.RemoveEmptyEntries))
        {
            var (key, _, value) = pair.Partition('=');
            if (key == name) return Uri.UnescapeDataString(value.Replace('+', ' '));
        }

        return null;
    }

    /// <summary>Told before the last bytes of the answer go, or when none go any more: the client has not asked for anything in return yet.</summary>
    internal void OnAnswered(Action answered) => _answered = answered;

    internal void Answered() => Interlocked.Exchange(ref _answered, null)?.Invoke();

    /// <summary>Completes when nothing of the answer is sent or counted any more.</summary>
    internal Task Done => _done.Task;

    internal void End() => _done.TrySetResult();

    internal void AddSent(int bytes) => Interlocked.Add(ref _sent, bytes);

    public override string ToString() => $"{Method} {Path}{(Query.Length > 0 ? "?" + Query : "")} [{Header("Range")}] on {Connection}: {Status}, {Sent}";
}
