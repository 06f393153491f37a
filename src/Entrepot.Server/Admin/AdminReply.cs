using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Entrepot.Oci;
using Entrepot.Server.Options;

namespace Entrepot.Server.Admin;

/// <summary>Writes answers of the admin API: one message, or lines of them. Used by the one task that handles the request.</summary>
internal sealed class AdminReply(HttpContext context)
{
    private static readonly byte[] NewLine = "\n"u8.ToArray();

    /// <summary>One message.</summary>
    public async Task WriteAsync<T>(int status, T message, JsonTypeInfo<T> type)
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = "application/json";
        await context.Response.Body.WriteAsync(JsonSerializer.SerializeToUtf8Bytes(message, type), context.RequestAborted);
    }

    /// <summary>Why nothing was done. Once lines have been written it is too late for that: the connection breaks instead, so that nobody takes it for the end.</summary>
    public Task WriteAsync(Objection objection)
    {
        var missing = objection.ShortBytes;
        var message = missing == 0
            ? objection.Message
            : $"{objection.Message}; {Quantity.Show(missing)} ({missing} bytes) are missing: unpin something, or raise storage.quota";
        return RefuseAsync(objection.Status, message);
    }

    /// <summary>Why nothing was done.</summary>
    public Task RefuseAsync(int status, string message)
    {
        if (!context.Response.HasStarted) return WriteAsync(status, new AdminError(message), AdminJson.Default.AdminError);
        context.Abort();
        return Task.CompletedTask;
    }

    /// <summary>One line, sent at once.</summary>
    public async Task WriteLineAsync<T>(T message, JsonTypeInfo<T> type)
    {
        if (!context.Response.HasStarted) context.Response.ContentType = "application/x-ndjson";
        await context.Response.Body.WriteAsync(JsonSerializer.SerializeToUtf8Bytes(message, type), context.RequestAborted);
        await context.Response.Body.WriteAsync(NewLine, context.RequestAborted);
        await context.Response.Body.FlushAsync(context.RequestAborted);
    }
}
