using System.CommandLine;
using System.Text.Json;
using Entrepot.Bundles;
using Entrepot.Pull;
using Entrepot.Server.Options;
using Entrepot.Server.Sources;

namespace Entrepot.Server.Cli.Bundles;

/// <summary><c>bundle import</c>: images come in files, and are served as if their registries had been asked.</summary>
internal static class ImportCommand
{
    private const string DockerHub = "docker.io/";

    /// <summary>The command.</summary>
    public static Command Create(ServerFlags server)
    {
        var files = new Argument<string[]>("file")
        {
            Arity = ArgumentArity.OneOrMore,
            Description = "Bundles, their parts and deltas in any order; OCI image layouts, as tar archives or directories; archives of docker save.",
        };
        var set = new Option<string?>("--set")
        {
            HelpName = "name",
            Description = "The set that the images make up, pinned as a whole; what a set of that name had before is replaced. Default: the first file's name.",
        };
        var name = new Option<string?>("--name")
        {
            HelpName = "ref",
            Description = "What an image is called that its archive does not name, or only by a tag, e.g. docker.io/library/alpine:3.20.",
        };
        var key = new Option<string?>("--key")
        {
            HelpName = "file",
            Description = "The public key (EC P-256, PEM) of who has to have signed the bundles; what is unsigned, signed by others or changed since is refused.",
        };
        var command = new Command("import", "Takes images in from files, without asking any registry, and pins them.") { files, set, name, key };
        command.Validators.Add(result =>
        {
            if (result.GetValue(set) is { } text && !ImageSets.IsName(text)) result.AddError($"--set {Problem.Quote(text)} is not allowed; allowed: {ImageSets.NameRule}");
            if (result.GetValue(name) is { } image && ImageName.Complete(image) is null)
                result.AddError($"--name {Problem.Quote(image)} is not allowed; allowed: an image such as docker.io/library/alpine:3.20");
        });
        return server.Command(command, async (parsed, session) =>
        {
            using var signer = await KeyAsync(session, parsed.GetValue(key));
            return signer is null && parsed.GetValue(key) is not null
                ? ExitStatus.Failed
                : await RunAsync(session, parsed.GetValue(files)!, parsed.GetValue(set), new ImportReader(parsed.GetValue(name), signer));
        });
    }

    private static async Task<BundleKey?> KeyAsync(Session session, string? file)
    {
        if (file is null) return null;
        try
        {
            if (BundleKey.ReadPublic(await File.ReadAllTextAsync(file, session.Stop), out var key) is not { } wrong) return key;
            await session.ComplainAsync($"--key '{file}': {Words.Line(wrong)}");
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            await session.ComplainAsync($"--key '{file}' cannot be read: {SourceReader.Reason(fault)}");
        }

        return null;
    }

    private static async Task<int> RunAsync(Session session, string[] files, string? set, ImportReader reader)
    {
        var began = session.Around.Clock.GetTimestamp();
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(session.Stop);
        var checking = Task.CompletedTask;
        try
        {
            var input = await reader.ReadAsync(files, session.Stop);

            // Beside the transfer, so that both read from the page cache what either has brought there.
            checking = Task.Run(() => reader.CheckAsync(ending.Token), ending.Token);
            var report = await new ImportRun(session, input, set ?? SetName.Of(files.FirstOrDefault(file => !ReceiptFiles.IsOne(file), files[0])), () => checking).RunAsync();
            await session.Around.Out.WriteLineAsync(session.IsJson
                ? JsonSerializer.Serialize(report, ImportJson.Default.ImportReport)
                : Text(report, session.Around.Clock.GetElapsedTime(began)));
            if (report.Unproven.Count > 0)
                await session.ComplainAsync($"not verified against the configs of their images, since nothing here unpacks Zstandard: {Words.Count(report.Unproven.Count, "layer")}, "
                    + $"{string.Join(", ", report.Unproven)}; what the archive has of them was imported as it is");
            return ExitStatus.Fine;
        }
        catch (ArchiveException wrong)
        {
            await session.ComplainAsync(wrong.Message);
            return ExitStatus.Failed;
        }
        catch (OperationCanceledException) when (session.Stop.IsCancellationRequested)
        {
            await session.ComplainAsync("interrupted; nothing of it is visible yet. The same command goes on where this one ended, within an hour");
            return ExitStatus.Failed;
        }
        finally
        {
            await ending.CancelAsync();
            await checking.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private static string Text(ImportReport report, TimeSpan elapsed)
    {
        var others = report.Images.FirstOrDefault(image => !image.Reference.StartsWith(DockerHub, StringComparison.Ordinal));
        var lines = report.Images.Select(image => $"imported  {image.Reference}  {Words.Short(image.Digest)}")
            .Concat(report.Removed.Select(gone => $"removed   {Words.Line(gone)}"))
            .Append($"{Words.Count(report.Images.Count, "image")} in the set '{report.Set}': {Words.Count(report.Blobs, "blob")}, {Quantity.Show(report.Bytes)}, of which "
                + $"{Words.Number(report.SentBlobs)}, {Quantity.Show(report.SentBytes)}, were new, in {Words.Duration(elapsed)}"
                + (report.FreedBytes > 0 ? $"; {Quantity.Show(report.FreedBytes)} freed" : ""))
            .Append("").Append(report.Mirrors.Text(others?.Reference).TrimEnd('\n'));
        return string.Join('\n', lines);
    }
}
