using System.Buffers;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Entrepot.Oci;
using Entrepot.Server.Options;

namespace Entrepot.Server.Admin;

/// <summary>Writes an answer of the admin API: one message, lines of them, or a list as it is found. Used by the one task that handles the request.</summary>
internal sealed class AdminReply(HttpContext context, TimeProvider clock) : IDisposable
{
    /// <summary>How long an answer whose work takes time is silent at most: well within what clients wait for the next byte.</summary>
    public static readonly TimeSpan BeatEvery = TimeSpan.FromSeconds(5);

    private const string Json = "application/json";
    private const string Lines = "application/x-ndjson";
    private const int FlushBytes = 32 << 10;

    private readonly SemaphoreSlim _writing = new(1);   // held while bytes are written that belong together
    private string? _begun;                             // the media type, once anything was written; guarded by _writing

    /// <summary>One message.</summary>
    public Task WriteAsync<T>(int status, T message, JsonTypeInfo<T> type) => WriteAsync(Json, JsonSerializer.SerializeToUtf8Bytes(message, type), status);

    /// <summary>Why nothing was done.</summary>
    public Task WriteAsync(Objection objection)
    {
        var missing = objection.ShortBytes;
        var message = missing == 0
            ? objection.Message
            : $"{objection.Message}; {Quantity.Show(missing)} ({missing} bytes) are missing: unpin something, or raise storage.quota";
        return RefuseAsync(objection.Status, message);
    }

    /// <summary>Why nothing was done; if lines have been written, why nothing more is, as the last of them.</summary>
    /// <remarks>In the middle of anything else it is too late for that: the connection breaks, so that nobody takes it for the end.</remarks>
    public Task RefuseAsync(int status, string message)
    {
        if (_begun is Json)
        {
            context.Abort();
            return Task.CompletedTask;
        }

        return WriteAsync(null, JsonSerializer.SerializeToUtf8Bytes(new AdminError(message), AdminJson.Default.AdminError), status);
    }

    /// <summary>One line, sent at once.</summary>
    public Task WriteLineAsync<T>(T message, JsonTypeInfo<T> type) => WriteAsync(Lines, JsonSerializer.SerializeToUtf8Bytes(message, type));

    /// <summary>Does work that answers with lines. While it is silent, empty lines show that it goes on; after the first, refusals are lines, too.</summary>
    public Task WriteLinesAsync(Func<Task> work) => BeatAsync(work, Lines, "");

    /// <summary>A message with a list in it, entry by entry; its headers are sent at once, and blanks while no entry comes.</summary>
    public async Task WriteListAsync<T>(string name, IAsyncEnumerable<T> entries, JsonTypeInfo<T> type)
    {
        await WriteAsync(Json, Encoding.UTF8.GetBytes($"{{\"{name}\":["));
        await BeatAsync(WriteEntriesAsync, Json, " ");

        async Task WriteEntriesAsync()
        {
            var gathered = new ArrayBufferWriter<byte>();
            var separator = "";
            await foreach (var entry in entries)
            {
                gathered.Write(Encoding.UTF8.GetBytes(separator));
                gathered.Write(JsonSerializer.SerializeToUtf8Bytes(entry, type));
                separator = ",";
                if (gathered.WrittenCount >= FlushBytes) await WriteGatheredAsync();
            }

            gathered.Write("]}"u8);
            await WriteGatheredAsync();

            async Task WriteGatheredAsync()
            {
                await WriteAsync(Json, gathered.WrittenMemory);
                gathered.ResetWrittenCount();
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _writing.Dispose();

    private async Task BeatAsync(Func<Task> work, string mediaType, string beat)
    {
        var working = work();
        using var timer = new PeriodicTimer(BeatEvery, clock);
        try
        {
            for (var tick = NextAsync(); await Task.WhenAny(working, tick) != working; tick = NextAsync())
                await WriteAsync(mediaType, Encoding.UTF8.GetBytes(beat));
        }
        finally
        {
            // Also if the client has left: that ends the work, or it goes on without anybody to be told.
            await working;
        }

        Task NextAsync() => timer.WaitForNextTickAsync(CancellationToken.None).AsTask();
    }

    // What begins an answer says what it is; null for what ends one of any kind.
    private async Task WriteAsync(string? mediaType, ReadOnlyMemory<byte> bytes, int status = StatusCodes.Status200OK)
    {
        await _writing.WaitAsync(context.RequestAborted);
        try
        {
            if (_begun is null)
            {
                _begun = mediaType ?? Json;
                context.Response.StatusCode = status;
                context.Response.ContentType = _begun;
            }

            var writer = context.Response.BodyWriter;
            writer.Write(bytes.Span);
            if (_begun is Lines) writer.Write("\n"u8);
            await writer.FlushAsync(context.RequestAborted);
        }
        finally
        {
            _writing.Release();
        }
    }
}
