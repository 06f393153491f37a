using Entrepot.Server.Admin;
using Entrepot.Server.Telemetry;

namespace Entrepot.Server.Edge;

/// <summary>Health, metrics and the admin API, on a listener of their own. Safe for concurrent use.</summary>
internal sealed class AdminEndpoint(CacheMetrics metrics, Probes probes, AdminApi api)
{
    /// <summary>Handles one request.</summary>
    public Task HandleAsync(HttpContext context)
    {
        if (context.Request.Path.Value?.StartsWith(AdminApi.Prefix, StringComparison.Ordinal) == true) return api.HandleAsync(context);

        var isRead = RequestForm.IsRead(context.Request.Method);
        return (isRead, context.Request.Path.Value) switch
        {
            (false, _) => WriteAsync(context, StatusCodes.Status405MethodNotAllowed, "only GET and HEAD\n"),
            (_, var path) when probes.Answer(path) is var (status, text) => WriteAsync(context, status, text),
            (_, "/metrics") => metrics.WriteAsync(context),
            _ => WriteAsync(context, StatusCodes.Status404NotFound, "nothing here; try /healthz, /readyz, /metrics or /api/v1/status\n"),
        };
    }

    private static Task WriteAsync(HttpContext context, int status, string text)
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = "text/plain; charset=utf-8";
        context.Response.ContentLength = text.Length;   // all of it is ASCII
        return context.Response.WriteAsync(text, context.RequestAborted);
    }
}
