using Entrepot.Server.Telemetry;

namespace Entrepot.Server.Edge;

/// <summary>Metrics and health alone, on a listener that more may reach than the admin listener: nothing can be changed by it. Safe for concurrent use.</summary>
internal sealed class MetricsEndpoint(CacheMetrics metrics, Probes probes)
{
    /// <summary>Handles one request.</summary>
    public Task HandleAsync(HttpContext context)
    {
        var method = context.Request.Method;
        if (!RequestForm.IsRead(method))
        {
            context.Response.Headers.Allow = "GET, HEAD";
            return WriteAsync(context, StatusCodes.Status405MethodNotAllowed, "only GET and HEAD\n");
        }

        var path = context.Request.Path.Value;
        if (path == "/metrics") return metrics.WriteAsync(context);
        var (status, text) = probes.Answer(path) ?? (StatusCodes.Status404NotFound, "nothing here; try /metrics, /healthz or /readyz\n");
        return WriteAsync(context, status, text);
    }

    private static Task WriteAsync(HttpContext context, int status, string text)
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = "text/plain; charset=utf-8";
        context.Response.ContentLength = text.Length;   // all of it is ASCII
        return context.Response.WriteAsync(text, context.RequestAborted);
    }
}
