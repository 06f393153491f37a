using System.Text.Json;
using Entrepot.Oci;
using Entrepot.Pull;
using Microsoft.AspNetCore.Http.Features;

namespace Entrepot.Server.Admin;

/// <summary>The admin API of imports: a plan, the blobs that are wanted, and then all of it at once. Safe for concurrent use.</summary>
/// <param name="imports">The imports that run.</param>
/// <param name="routes">The configured upstreams, as they are now.</param>
/// <param name="measured">Ends when it is known what is stored: nothing is imported before that; with <see langword="false"/> if it never will be.</param>
internal sealed class ImportApi(BundleImports imports, Func<UpstreamRoutes> routes, Func<Task<bool>> measured)
{
    // A plan of 10,000 images with 100,000 blobs takes 15 MB.
    private const long MaxPlan = 128 << 20;

    private const int DrainBytes = 64 << 10;

    private const string Usage =
        "POST takes ?set= with a plan, ?import=&blob= with a blob's bytes, or ?import=&commit=; see 'entrepot bundle import'";

    /// <summary>Begins an import, takes a blob of it, or makes it visible.</summary>
    public async Task PostAsync(HttpContext context, AdminReply reply, CancellationToken cancel, CancellationToken stop)
    {
        var query = context.Request.Query;
        var (import, blob) = (query["import"].FirstOrDefault(), query["blob"].FirstOrDefault());

        // How fast the files are read is the other side's business.
        if (context.Features.Get<Microsoft.AspNetCore.Server.Kestrel.Core.Features.IHttpMinRequestBodyDataRateFeature>() is { } rate) rate.MinDataRate = null;
        if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } limit) limit.MaxRequestBodySize = import is null ? MaxPlan : null;
        try
        {
            await reply.WriteLinesAsync(async () =>
            {
                var objection = import is null ? await BeginAsync(context, reply, query["set"].FirstOrDefault() ?? "", cancel)
                    : blob is not null ? await StageAsync(context, reply, import, blob, cancel)
                    : query.ContainsKey("commit") ? await CommitAsync(reply, import, cancel, stop)
                    : new Objection(StatusCodes.Status400BadRequest, Usage);
                if (objection is null) return;

                // Whoever sends does not listen before all of it is taken.
                await DrainAsync(context.Request.Body, cancel);
                await reply.WriteAsync(objection);
            });
        }
        catch (BadHttpRequestException)   // the other side broke off in the middle
        {
            context.Abort();
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            throw new IOException($"{fault.Message}; nothing was imported, and once that is mended the same command can be run again", fault);
        }
    }

    /// <summary>Ends an import that is not to become visible.</summary>
    public async Task DropAsync(HttpContext context, AdminReply reply, CancellationToken cancel)
    {
        if (context.Request.Query["import"].FirstOrDefault() is not { Length: > 0 } import)
            await reply.RefuseAsync(StatusCodes.Status400BadRequest, "the parameter import is missing: what the import was called when it began");
        else if (await imports.DropAsync(import, cancel) is { } objection) await reply.WriteAsync(objection);
        else await reply.WriteLineAsync(new ImportDone("", 0, [], 0), AdminJson.Default.ImportDone);
    }

    private async Task<Objection?> BeginAsync(HttpContext context, AdminReply reply, string set, CancellationToken cancel)
    {
        if (!ImageSets.IsName(set)) return new Objection(StatusCodes.Status400BadRequest, $"'{set}' is not a set's name: {ImageSets.NameRule} are");
        if (!await measured().WaitAsync(cancel)) return new Objection(StatusCodes.Status503ServiceUnavailable, "the store could not be measured yet, so nothing can be imported: see status");

        var plan = default(ImportPlan);
        try
        {
            plan = await JsonSerializer.DeserializeAsync(context.Request.Body, AdminJson.Default.ImportPlan, cancel);
        }
        catch (JsonException fault)
        {
            return new Objection(StatusCodes.Status400BadRequest, $"the plan is not what it should be: {fault.Message}");
        }

        if (plan is null) return new Objection(StatusCodes.Status400BadRequest, "the plan is missing");
        if (ImportPlanReader.Read(plan, set, routes(), out var contents) is { } wrong) return wrong;
        var (objection, begun) = await imports.BeginAsync(contents!, cancel);
        if (begun is not null) await reply.WriteLineAsync(begun, AdminJson.Default.ImportBegun);
        return objection;
    }

    private async Task<Objection?> StageAsync(HttpContext context, AdminReply reply, string import, string blob, CancellationToken cancel)
    {
        if (!Digest.TryParse(blob, out var digest)) return new Objection(StatusCodes.Status400BadRequest, $"'{blob}' is not a digest");
        Objection? objection;
        try
        {
            objection = await imports.StageAsync(import, digest, context.Request.ContentLength, context.Request.Body, cancel);
        }
        catch (IOException fault) when (fault is not BadHttpRequestException)
        {
            await DrainAsync(context.Request.Body, cancel);
            throw;
        }

        if (objection is null) await reply.WriteLineAsync(new ImportStaged(blob, context.Request.ContentLength ?? 0), AdminJson.Default.ImportStaged);
        return objection;
    }

    private async Task<Objection?> CommitAsync(AdminReply reply, string import, CancellationToken cancel, CancellationToken stop)
    {
        var (objection, done) = await imports.CommitAsync(import, cancel, stop);
        if (done is not null) await reply.WriteLineAsync(done, AdminJson.Default.ImportDone);
        return objection;
    }

    private static async Task DrainAsync(Stream body, CancellationToken cancel)
    {
        var buffer = new byte[DrainBytes];
        while (await body.ReadAsync(buffer, cancel) > 0)
        {
            // Nothing is kept of it.
        }
    }
}
