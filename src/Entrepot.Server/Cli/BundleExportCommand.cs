using System.CommandLine;
using System.CommandLine.Parsing;
using Entrepot.Oci;
using Entrepot.Server.Admin;
using Entrepot.Server.Options;
using Entrepot.Warm;

namespace Entrepot.Server.Cli;

/// <summary>What <c>bundle export</c> is asked to do. Immutable.</summary>
/// <param name="Archive">The archive's file.</param>
/// <param name="Images">References and patterns, each with the platforms that its file wants of it.</param>
/// <param name="Problems">What of the files that name images cannot be understood; nothing is exported then.</param>
/// <param name="Platforms">Of indexes for which no file says it, only these; empty for all.</param>
/// <param name="WithReferrers">Whether signatures and the like come along.</param>
/// <param name="Parallel">Most blobs that are fetched at once, of those that are not stored; <see langword="null"/> for the default.</param>
/// <param name="Since">Files that tell what the far side has.</param>
/// <param name="MaxSize">Most bytes of a file.</param>
/// <param name="SignKey">The file of the key that signs the receipt; <see langword="null"/> if it is not to be signed.</param>
internal sealed record ExportRequest(
    string Archive, IReadOnlyList<WarmRequestImage> Images, IReadOnlyList<string> Problems, IReadOnlyList<string> Platforms, bool WithReferrers, int? Parallel,
    IReadOnlyList<string> Since, long MaxSize, string? SignKey);

/// <summary><c>bundle export</c>: images become an archive that can be carried away.</summary>
internal static class BundleExportCommand
{
    /// <summary>The command.</summary>
    public static Command Create(ServerFlags server)
    {
        var sources = new SourceFlags("The images: references in full (docker.io/library/alpine:3.20) or short as Docker has them (alpine:3.20), "
            + "or patterns of the full form with '*', which mean what is cached.");
        var archive = new Option<string>("-o", "--out") { HelpName = "file", Required = true, Description = "The archive to write, such as site.tar; its receipt is written beside it." };
        var platforms = new Option<string[]>("--platform")
        {
            HelpName = "os/arch,...",
            Description = "Of images for several platforms, only these, such as linux/amd64,linux/arm64. Default: all.",
        };
        platforms.Validators.Add(result => CheckEach(result, IsPlatform, "allowed: an operating system and an architecture, such as linux/amd64 or linux/arm/v7"));
        var bare = new Option<bool>("--no-referrers") { Description = "Leaves out signatures, SBOMs and all else that refers to the images." };
        var parallel = new Option<string?>("--parallel")
        {
            HelpName = "count",
            Description = $"Most blobs that are fetched at once, of those that are not stored, 1 to {WarmRules.MostParallel}. Default: {new WarmRules().Parallel}.",
        };
        parallel.Validators.Add(result => CheckEach(result, text => Parsers.TryParseCount(text, out var count) && count is >= 1 and <= WarmRules.MostParallel, $"allowed: 1 to {WarmRules.MostParallel}"));
        var since = new Option<string[]>("--since")
        {
            HelpName = "file",
            Description = "Leaves out what the far side has: the receipt of an earlier bundle that was imported there, or what 'entrepot list --output json' prints there. Several add up.",
        };
        var maxSize = new Option<string?>("--max-size") { HelpName = "size", Description = "Splits the archive into numbered files of at most this size, such as 25GB. Default: one file." };
        maxSize.Validators.Add(result => CheckEach(result, text => Quantity.TryParseSize(text, out var bytes) && bytes > 0, "allowed: a size, such as 25GB or 4GiB"));
        var key = new Option<string?>("--sign-key") { HelpName = "file", Description = "Signs the receipt with this private key: ECDSA on P-256, PEM, without a password." };
        var command = new Command("export", "Writes images into an archive that another appliance imports, and any OCI tool reads.") { archive, platforms, bare, parallel, since, maxSize, key };
        sources.AddTo(command);
        return server.Command(command, async (parsed, session) =>
        {
            IReadOnlyList<string> only = [.. (parsed.GetValue(platforms) ?? []).SelectMany(text => text.Split(',')).Distinct().Order(StringComparer.Ordinal)];
            var (images, problems) = await sources.ReadAsync(parsed, session, only);
            return await BundleExporter.RunAsync(session, new ExportRequest(
                Path.GetFullPath(parsed.GetRequiredValue(archive)),
                images,
                problems,
                only,
                !parsed.GetValue(bare),
                parsed.GetValue(parallel) is { } number && Parsers.TryParseCount(number, out var count) ? count : null,
                parsed.GetValue(since) ?? [],
                parsed.GetValue(maxSize) is { } text && Quantity.TryParseSize(text, out var bytes) ? bytes : long.MaxValue,
                parsed.GetValue(key)));
        });
    }

    private static void CheckEach(OptionResult result, Func<string, bool> isAllowed, string allowed)
    {
        foreach (var token in result.Tokens.Where(token => !isAllowed(token.Value)))
            result.AddError($"{result.IdentifierToken?.Value ?? result.Option.Name} {Problem.Quote(token.Value)} is not allowed; {allowed}");
    }

    private static bool IsPlatform(string text) => text.Split(',').All(one => Platform.TryParse(one, out _));
}
