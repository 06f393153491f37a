using System.Text.Json;
using Entrepot.Oci;
using Entrepot.Server.Admin;

namespace Entrepot.Server.Cli.Bundles;

/// <summary>One import: the plan goes to the server, then the blobs that it lacks, and at last all becomes visible at once.</summary>
/// <remarks>
/// Every blob is hashed once: by the server where it is sent, here where the server has it already, so that a damaged file is told in any case. Blobs are read in the
/// order in which they lie in the files.
/// </remarks>
/// <param name="session">The server.</param>
/// <param name="input">What the files hold.</param>
/// <param name="set">The set that the images are to make up.</param>
/// <param name="check">What is found out of the files themselves while they are read; ends before anything becomes visible.</param>
internal sealed class ImportRun(Session session, ImportInput input, string set, Func<Task> check)
{
    /// <summary>Does it.</summary>
    /// <exception cref="ArchiveException">A file is damaged; nothing is left on the server.</exception>
    /// <exception cref="AdminException">The server refused, and nothing is left there; or it went away.</exception>
    public async Task<ImportReport> RunAsync()
    {
        var plan = await new ImportClosure(input).PlanAsync(session.Stop);
        var total = plan.Blobs.Sum(blob => blob.Size);
        var display = new ImportDisplay(session.Around, total, session.IsJson);
        var begun = (await PostAsync($"set={Uri.EscapeDataString(set)}", plan)).Value;
        try
        {
            var wanted = begun.Wanted.ToHashSet(StringComparer.Ordinal);
            var blobs = plan.Blobs.Select(blob => Digest.Parse(blob.Digest)).Select(digest => (Digest: digest, Source: input.Blobs[digest]));
            foreach (var (digest, source) in blobs.OrderBy(blob => blob.Source.Start.File, StringComparer.Ordinal).ThenBy(blob => blob.Source.Start.Offset))
                await TransferAsync(begun.Import, digest, source, wanted.Contains(digest.ToString()), display);

            await check();
            var done = (await session.Server.SendAsync(
                HttpMethod.Post, $"/api/v1/bundles?import={begun.Import}&commit=", Nothing(), AdminJson.Default.ImportDone, session.Stop)).Value;
            display.Clear();
            return await ReportAsync(plan, begun, done);
        }
        catch (Exception refusal) when (refusal is ArchiveException or AdminException { IsRefusal: true })
        {
            display.Clear();
            await DropAsync(begun.Import);
            throw;
        }
        catch
        {
            display.Clear();
            throw;
        }
    }

    private async Task TransferAsync(string import, Digest digest, BlobSource source, bool isWanted, ImportDisplay display)
    {
        if (!isWanted)
        {
            if (await source.HashAsync(digest, display.Add, session.Stop) != digest) throw Damaged(source, digest, null);
            return;
        }

        try
        {
            var content = new UploadContent(source.ReadAsync(session.Stop), source.Size, display.Add);
            await session.Server.SendAsync(HttpMethod.Post, $"/api/v1/bundles?import={import}&blob={digest}", content, AdminJson.Default.ImportStaged, session.Stop);
        }
        catch (AdminException refusal) when (refusal.IsRefusal)
        {
            // The server cannot tell a damaged file from a full disk to this side but by its words; which file it was, only this side knows.
            if (await source.HashAsync(digest, _ => { }, session.Stop) != digest) throw Damaged(source, digest, refusal);
            throw;
        }
    }

    private static ArchiveException Damaged(BlobSource source, Digest digest, Exception? inner) =>
        new($"{source.Place} is damaged: what it has as {digest} is something else; nothing was imported", inner);

    private Task<Message<ImportBegun>> PostAsync(string query, ImportPlan plan)
    {
        var bytes = JsonSerializer.SerializeToUtf8Bytes(plan, AdminJson.Default.ImportPlan);
        return session.Server.SendAsync(
            HttpMethod.Post, $"/api/v1/bundles?{query}", new UploadContent(new BlobSource(bytes).ReadAsync(session.Stop), bytes.Length, _ => { }), AdminJson.Default.ImportBegun, session.Stop);
    }

    private UploadContent Nothing() => new(new BlobSource(Array.Empty<byte>()).ReadAsync(session.Stop), 0, _ => { });

    // What was refused leaves nothing. If the server cannot be told, it finds out by itself after a while.
    private async Task DropAsync(string import)
    {
        try
        {
            await foreach (var _ in session.Server.StreamAsync(HttpMethod.Delete, $"/api/v1/bundles?import={import}", AdminJson.Default.ImportDone, session.Stop))
            {
                // It only says that it has done it.
            }
        }
        catch (AdminException)
        {
            // A refused commit has ended it already.
        }
    }

    private async Task<ImportReport> ReportAsync(ImportPlan plan, ImportBegun begun, ImportDone done)
    {
        var (_, status) = await session.Server.GetAsync("/api/v1/status", AdminJson.Default.StatusReport, session.Stop);
        var registries = plan.Images.Select(image => RegistryOf(image.Reference)).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal).ToList();
        return new ImportReport(
            done.Set, [.. plan.Images.Select(image => new ImportedReference(image.Reference, image.Digest)).OrderBy(image => image.Reference, StringComparer.Ordinal)],
            plan.Blobs.Count, plan.Blobs.Sum(blob => blob.Size), begun.Wanted.Count, begun.Bytes, done.Removed, done.Freed,
            [.. input.Unproven.Select(digest => digest.ToString()).Order(StringComparer.Ordinal)], MirrorHints.Of(session.Server.Server, new Uri(status.Registry[0]), registries));
    }

    private static string RegistryOf(string reference) => reference[..reference.IndexOf('/', StringComparison.Ordinal)];
}
