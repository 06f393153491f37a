using System.CommandLine;
using System.CommandLine.Parsing;
using Entrepot.Oci;
using Entrepot.Server.Admin;
using Entrepot.Server.Options;
using Entrepot.Warm;

namespace Entrepot.Server.Cli;

/// <summary><c>warm</c>: images are in the store before anybody pulls them.</summary>
internal sealed class WarmCommand
{
    private readonly SourceFlags _sources = new("The images: references in full (docker.io/library/alpine:3.20) or short as Docker has them (alpine:3.20).");

    private readonly Option<string[]> _platform = new("--platform")
    {
        HelpName = "os/arch,...",
        Description = "The platforms that are wanted of images with several, e.g. linux/amd64,linux/arm64. Default: all, or what a file says.",
    };

    private readonly Option<bool> _pin = new("--pin") { Description = "Pins the images, and what belongs to them, so that they are never evicted." };

    private readonly Option<bool> _noReferrers = new("--no-referrers") { Description = "Leaves out what refers to the images: signatures, SBOMs, attestations." };

    private readonly Option<string> _parallel = new("--parallel")
    {
        HelpName = "count",
        Description = $"Most blobs that are fetched at once, 1 to {WarmRules.MostParallel}. Default: {new WarmRules().Parallel}.",
    };

    private readonly Option<bool> _dryRun = new("--dry-run")
    {
        Description = "Only says what would be fetched, how many bytes, and with how many requests that a rate limit counts. Manifests that are not stored have to be asked for.",
    };

    /// <summary>The command.</summary>
    public static Command Create(ServerFlags server)
    {
        var warm = new WarmCommand();
        var command = new Command("warm", "Fetches images into the running cache, so that later pulls are hits.")
        {
            warm._platform, warm._pin, warm._noReferrers, warm._parallel, warm._dryRun,
        };
        warm._sources.AddTo(command);
        command.Validators.Add(warm.Validate);
        return server.Command(command, warm.RunAsync);
    }

    private void Validate(CommandResult result)
    {
        foreach (var text in Platforms(result.GetResult(_platform)))
            if (!Platform.TryParse(text, out _)) result.AddError($"--platform {Problem.Quote(text)} is not allowed; allowed: os/architecture or os/architecture/variant, e.g. linux/amd64 or linux/arm/v7");
        if (result.GetResult(_parallel) is { Tokens: [var token] } && !TryParseParallel(token.Value, out _))
            result.AddError($"--parallel {Problem.Quote(token.Value)} is not allowed; allowed: 1 to {WarmRules.MostParallel}");
    }

    private async Task<int> RunAsync(ParseResult parsed, Session session)
    {
        var platforms = Platforms(parsed.GetResult(_platform));
        var (images, problems) = await _sources.ReadAsync(parsed, session, platforms);
        foreach (var problem in problems) await session.ComplainAsync(Words.Line(problem));
        _ = TryParseParallel(parsed.GetValue(_parallel), out var parallel);
        var request = new WarmRequest(images, platforms.Count > 0 ? platforms : null, parsed.GetValue(_pin), !parsed.GetValue(_noReferrers), parallel, DryRun: parsed.GetValue(_dryRun));
        return await WarmAsync(session, request, problems);
    }

    private static async Task<int> WarmAsync(Session session, WarmRequest request, IReadOnlyList<string> problems)
    {
        var display = new WarmDisplay(session.Around, request.DryRun);
        var ended = new List<WarmEntry>();
        WarmLine? last = null;
        if (request.Images.Count > 0)
        {
            try
            {
                await foreach (var (_, line) in session.Server.StreamAsync("/api/v1/warm", request, AdminJson.Default.WarmRequest, AdminJson.Default.WarmLine, session.Stop))
                {
                    last = line;
                    ended.AddRange(line.Ended);
                    if (!session.IsJson) await display.ShowAsync(line);
                }
            }
            catch (Exception end) when (end is AdminException or OperationCanceledException)
            {
                await display.ClearAsync();
                throw;
            }

            if (last is not { Done: true }) throw new AdminException("the server ended it in the middle; see its log, and run it again: what is stored is not fetched again");
        }

        var failed = ended.Count(image => image.Status == "failed");
        if (session.IsJson)
        {
            var document = new WarmDocument(ended, ended.Sum(image => image.Bytes), ended.Sum(image => image.Requests), request.DryRun, problems);
            await session.Around.Out.WriteLineAsync(System.Text.Json.JsonSerializer.Serialize(document, AdminJson.Default.WarmDocument));
        }
        else
        {
            await display.EndAsync(ended);
        }

        if (failed > 0) await session.ComplainAsync($"{failed} of {Words.Count(ended.Count, "image")} failed");
        return failed + problems.Count == 0 ? ExitStatus.Fine : ExitStatus.Failed;
    }

    private static List<string> Platforms(OptionResult? flag) =>
        [.. (flag?.Tokens ?? []).SelectMany(token => token.Value.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))];

    private static bool TryParseParallel(string? text, out int? parallel)
    {
        parallel = null;
        if (text is null) return true;
        if (!Parsers.TryParseCount(text, out var count) || count is < 1 or > WarmRules.MostParallel) return false;
        parallel = count;
        return true;
    }
}
