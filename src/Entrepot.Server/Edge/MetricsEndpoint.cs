using Entrepot.Server.Telemetry;

namespace Entrepot.Server.Edge;

/// <summary>Metrics alone, on a listener of their own that more may reach than the admin listener. Safe for concurrent use.</summary>
internal sealed class MetricsEndpoint(CacheMetrics metrics)
{
    /// <summary>Handles one request.</summary>
    public Task HandleAsync(HttpContext context)
    {
        var method = context.Request.Method;
        if (!HttpMethods.IsGet(method) && !HttpMethods.IsHead(method))
        {
            context.Response.Headers.Allow = "GET, HEAD";
            return RefuseAsync(context, StatusCodes.Status405MethodNotAllowed, "only GET and HEAD\n");
        }

        return context.Request.Path.Value == "/metrics"
            ? metrics.WriteAsync(context)
            : RefuseAsync(context, StatusCodes.Status404NotFound, "nothing here; try /metrics\n");
    }

    private static Task RefuseAsync(HttpContext context, int status, string text)
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = "text/plain; charset=utf-8";
        return context.Response.WriteAsync(text, context.RequestAborted);
    }
}
