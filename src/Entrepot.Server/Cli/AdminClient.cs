using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Entrepot.Server.Admin;

namespace Entrepot.Server.Cli;

/// <summary>A message of the admin API.</summary>
/// <param name="Text">As it came: one line of JSON.</param>
/// <param name="Value">What it says.</param>
internal readonly record struct Message<T>(string Text, T Value);

/// <summary>Asks a running server. Everything that goes wrong is an <see cref="AdminException"/> with a line for people.</summary>
/// <remarks>Not for concurrent use. Cancellation ends the request; what the server has done by then stays done.</remarks>
internal sealed class AdminClient : IDisposable
{
    private const string ErrorLine = "{\"error\":";   // in an answer of lines; a message begins with something else
    private const int BufferBytes = 64 << 10;

    private static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(5);

    private readonly HttpClient _http;
    private readonly TimeSpan _patience;

    /// <param name="server">Where its admin API is; scheme, host and port.</param>
    /// <param name="patience">How long an answer's beginning may take, and after that each next part of it.</param>
    public AdminClient(Uri server, TimeSpan patience)
    {
        // What is asked is this machine or one beside it: a proxy for the world outside has no part in it.
        var handler = new SocketsHttpHandler { UseProxy = false, AllowAutoRedirect = false, ConnectTimeout = ConnectTimeout };
        _http = new HttpClient(handler) { BaseAddress = server, Timeout = Timeout.InfiniteTimeSpan };
        _patience = patience;
        Server = server;
    }

    /// <summary>Where its admin API is.</summary>
    public Uri Server { get; }

    private string Seconds => $"{_patience.TotalSeconds:0.#} s";

    private string Address => Server.GetLeftPart(UriPartial.Authority);

    /// <summary>Asks for one message.</summary>
    /// <exception cref="AdminException">There is none.</exception>
    public async Task<Message<T>> GetAsync<T>(string path, JsonTypeInfo<T> type, CancellationToken cancel)
    {
        using var response = await SendAsync(HttpMethod.Get, path, null, null, cancel);
        using var body = await response.Content.ReadAsStreamAsync(cancel);
        using var read = new MemoryStream();
        var buffer = new byte[BufferBytes];
        for (int count; (count = await ReadAsync(token => body.ReadAsync(buffer, token), cancel)) > 0;) read.Write(buffer, 0, count);
        var text = Encoding.UTF8.GetString(read.GetBuffer(), 0, (int)read.Length);
        return new Message<T>(text.TrimEnd('\n'), Parse(text, type));
    }

    /// <summary>Has something done, and gets a message for each part of it as soon as the server has one.</summary>
    /// <exception cref="AdminException">It was refused, the server went away in the middle, or it says at the end why it did not go on.</exception>
    public IAsyncEnumerable<Message<T>> StreamAsync<T>(HttpMethod method, string path, JsonTypeInfo<T> type, CancellationToken cancel) =>
        StreamAsync(method, path, null, type, cancel);

    /// <summary>As the other, of what a message says.</summary>
    /// <exception cref="AdminException">The same.</exception>
    public IAsyncEnumerable<Message<T>> StreamAsync<TAsked, T>(string path, TAsked asked, JsonTypeInfo<TAsked> askedType, JsonTypeInfo<T> type, CancellationToken cancel) =>
        StreamAsync(HttpMethod.Post, path, JsonOf(asked, askedType), type, cancel);

    /// <summary>Sends something, and gets the one message that answers it.</summary>
    /// <exception cref="AdminException">It was refused, or the server went away.</exception>
    public async Task<Message<T>> SendAsync<T>(HttpMethod method, string path, HttpContent content, JsonTypeInfo<T> type, CancellationToken cancel)
    {
        await foreach (var message in StreamAsync(method, path, content, type, cancel)) return message;
        throw Gone();
    }

    private static ByteArrayContent JsonOf<T>(T message, JsonTypeInfo<T> type) =>
        new(JsonSerializer.SerializeToUtf8Bytes(message, type)) { Headers = { ContentType = new MediaTypeHeaderValue("application/json") } };

    private async IAsyncEnumerable<Message<T>> StreamAsync<T>(
        HttpMethod method, string path, HttpContent? content, JsonTypeInfo<T> type, [EnumeratorCancellation] CancellationToken cancel)
    {
        using var response = await SendAsync(method, path, null, content, cancel);
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync(cancel));
        while (await ReadAsync(reader.ReadLineAsync, cancel) is { } line)
        {
            if (line.Length == 0) continue;   // the server shows that it goes on
            if (line.StartsWith(ErrorLine, StringComparison.Ordinal)) throw new AdminException(Words.Line(Parse(line, AdminJson.Default.AdminError).Error), isRefusal: true);
            yield return new Message<T>(line, Parse(line, type));
        }
    }

    /// <summary>Asks for bytes from <paramref name="from"/> on, and passes each piece on as it arrives.</summary>
    /// <param name="path">Where they are.</param>
    /// <param name="from">The first.</param>
    /// <param name="to">The first no longer wanted.</param>
    /// <param name="buffers">Where the next piece may go; not used any more once it is passed on.</param>
    /// <param name="take">Takes a piece.</param>
    /// <param name="cancel">Ends it.</param>
    /// <exception cref="AdminException">It was refused, or the server went away in the middle.</exception>
    public async Task ReadAsync(string path, long from, long to, Func<Memory<byte>> buffers, Func<Memory<byte>, Task> take, CancellationToken cancel)
    {
        using var response = await SendAsync(HttpMethod.Get, path, new RangeHeaderValue(from, to - 1), null, cancel);
        if (response.StatusCode != HttpStatusCode.PartialContent || response.Content.Headers.ContentLength != to - from)
            throw new AdminException($"{Address} does not send the bytes that were asked for; is it another version? This is {Product.Version}");
        using var body = await response.Content.ReadAsStreamAsync(cancel);
        for (var left = to - from; left > 0;)
        {
            var buffer = buffers();
            var filled = 0;
            buffer = buffer[..(int)Math.Min(buffer.Length, left)];
            while (filled < buffer.Length)
            {
                var rest = buffer[filled..];
                var count = await ReadAsync(token => body.ReadAsync(rest, token), cancel);
                if (count == 0) throw Gone();
                filled += count;
            }

            left -= filled;
            await take(buffer);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _http.Dispose();

    private async Task<HttpResponseMessage> SendAsync(HttpMethod method, string path, RangeHeaderValue? range, HttpContent? content, CancellationToken cancel)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        patience.CancelAfter(_patience);
        if (content is UploadContent upload) upload.Progressed = () => patience.CancelAfter(_patience);
        try
        {
            var response = await ReachAsync(method, path, range, content, patience.Token);
            if (response.IsSuccessStatusCode && (range is not null || IsJson(response.Content.Headers.ContentType))) return response;
            using (response) throw await ReasonAsync(response, patience.Token);
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            throw new AdminException($"{Address} has not answered within {Seconds}; is it the admin port, and does the server still run?");
        }
    }

    private async Task<HttpResponseMessage> ReachAsync(HttpMethod method, string path, RangeHeaderValue? range, HttpContent? content, CancellationToken cancel)
    {
        using var request = new HttpRequestMessage(method, path) { Content = content };
        request.Headers.Range = range;
        try
        {
            return await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancel);
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            throw Unreachable($"no connection within {ConnectTimeout.TotalSeconds:0} s");
        }
        catch (HttpRequestException fault)
        {
            var why = Words.Line(fault.InnerException?.Message ?? fault.Message);
            throw fault.HttpRequestError switch
            {
                HttpRequestError.ConnectionError or HttpRequestError.NameResolutionError => Unreachable(why),
                HttpRequestError.SecureConnectionError => new AdminException($"{Address} does not speak TLS as it should: {why}"),
                HttpRequestError.ResponseEnded => Gone(),
                _ when content is not null => Gone(),   // it broke while something was sent
                _ when fault.InnerException is IOException { InnerException: SocketException } => Gone(),   // before its answer, as when it is killed
                _ => Foreign("does not speak HTTP"),
            };
        }
    }

    private AdminException Unreachable(string why) => new($"nothing answers at {Address} ({why}); " + (Server.IsLoopback
        ? "start the server with 'entrepot serve', or say with --server where it is"
        : $"does the server run there, and has its option 'admin' that address? By default only its own machine reaches it, at {ServerFlags.Default}"));

    private AdminException Gone() => new(
        $"{Address} went away in the middle of its answer; what is printed was done, the rest may not have been; "
        + "see the server's log");

    private AdminException Foreign(string what) => new(
        $"what answers at {Address} is not Entrepot's admin API: it {what}; "
        + $"say with --server where the option 'admin' has it, by default {ServerFlags.Default}");

    private async Task<AdminException> ReasonAsync(HttpResponseMessage response, CancellationToken cancel)
    {
        if (IsJson(response.Content.Headers.ContentType) && await ErrorAsync(response, cancel) is { } error)
            return new AdminException(Words.Line(error), isRefusal: true);
        if ((int)response.StatusCode >= 500) return new AdminException($"{Address} failed with status {(int)response.StatusCode}; see the server's log");
        if (IsRegistry(response) || await AnswersAsRegistryAsync(cancel))
        {
            var guess = new UriBuilder(Server) { Port = ServerFlags.DefaultPort }.Uri.GetLeftPart(UriPartial.Authority);
            return new AdminException(
                $"{Address} is a registry port, which engines pull from; commands want the admin port: "
                + $"try --server {guess}, or what the option 'admin' says");
        }

        return Foreign($"answers {(int)response.StatusCode}, but not as the admin API does");
    }

    private async Task<string?> ErrorAsync(HttpResponseMessage response, CancellationToken cancel)
    {
        var text = await ReadAsync(token => new ValueTask<string>(response.Content.ReadAsStringAsync(token)), cancel);
        try
        {
            return JsonSerializer.Deserialize(text, AdminJson.Default.AdminError)?.Error;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private async Task<bool> AnswersAsRegistryAsync(CancellationToken cancel)
    {
        using var response = await ReachAsync(HttpMethod.Get, "/v2/", null, null, cancel);
        return IsRegistry(response);
    }

    private static bool IsRegistry(HttpResponseMessage response) => response.Headers.Contains("Docker-Distribution-API-Version");

    private static bool IsJson(MediaTypeHeaderValue? type) => type?.MediaType is "application/json" or "application/x-ndjson";

    private async Task<T> ReadAsync<T>(Func<CancellationToken, ValueTask<T>> read, CancellationToken cancel)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        patience.CancelAfter(_patience);
        try
        {
            return await read(patience.Token);
        }
        catch (Exception fault) when (fault is HttpRequestException or IOException)
        {
            throw Gone();
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            throw new AdminException($"{Address} has been silent for {Seconds} in the middle of its answer; does the server still run? What is printed was done, the rest may not have been");
        }
    }

    private T Parse<T>(string text, JsonTypeInfo<T> type)
    {
        try
        {
            return JsonSerializer.Deserialize(text, type) ?? throw new JsonException("it is null");
        }
        catch (JsonException fault)
        {
            throw new AdminException(
                $"the answer of {Address} cannot be understood ({Words.Line(fault.Message)}); is it another version? This is {Product.Version}");
        }
    }
}
