using System.CommandLine;
using Entrepot.Server.Admin;
using Entrepot.Server.Options;

namespace Entrepot.Server.Cli;

/// <summary><c>refresh</c>, <c>pin</c>, <c>unpin</c> and <c>remove</c>: something is done with each image that matches.</summary>
internal static class ImageCommands
{
    /// <summary>The commands.</summary>
    public static IEnumerable<Command> Create(ServerFlags server) =>
    [
        Create(server, "refresh", "Asks the upstreams now whether cached tags have moved, and fetches the manifests that are new.", HttpMethod.Post, "refresh"),
        Create(server, "pin", "Keeps cached images for good: they are never evicted to make room.", HttpMethod.Post, "pins"),
        Create(server, "unpin", "Lets pinned images be evicted again.", HttpMethod.Delete, "pins"),
        CreateRemove(server),
    ];

    private static Command CreateRemove(ServerFlags server)
    {
        var set = new Option<string?>("--set") { HelpName = "name", Description = "Removes a set of imported images, all but what others keep." };
        var references = References(ArgumentArity.ZeroOrMore);
        var command = new Command("remove", "Removes cached images, and the blobs that no other image uses.") { references, set };
        command.Validators.Add(result =>
        {
            var isSet = result.GetResult(set) is not null;
            if (isSet == result.GetValue(references) is { Length: > 0 })
                result.AddError(isSet ? "'remove' takes either images or --set, not both" : "'remove' needs at least one ref, e.g. alpine:3.20 or 'ghcr.io/org/*', or --set");
        });
        return server.Command(command, (parsed, session) => parsed.GetValue(set) is { } name
            ? RunAsync(session, [name], HttpMethod.Delete, "images", "set")
            : RunAsync(session, parsed.GetValue(references)!, HttpMethod.Delete, "images"));
    }

    private static Command Create(ServerFlags server, string name, string description, HttpMethod method, string resource)
    {
        var references = References(ArgumentArity.OneOrMore);
        return server.Command(
            new Command(name, description) { references },
            (parsed, session) => RunAsync(session, parsed.GetValue(references)!, method, resource));
    }

    private static Argument<string[]> References(ArgumentArity arity) => new("ref")
    {
        Arity = arity,
        Description = "The images: references in full (docker.io/library/alpine:3.20) or short as Docker has them (alpine:3.20), "
            + "or patterns of the full form with '*'.",
    };

    // A refused reference does not keep the others from being done; a server that is not there does.
    private static async Task<int> RunAsync(Session session, IEnumerable<string> references, HttpMethod method, string resource, string by = "ref")
    {
        var (images, failed, refused) = (0, 0, 0);
        foreach (var reference in references)
        {
            try
            {
                var path = $"/api/v1/{resource}?{by}={Uri.EscapeDataString(reference)}";
                await foreach (var (text, outcome) in session.Server.StreamAsync(method, path, AdminJson.Default.ImageOutcome, session.Stop))
                {
                    await session.Around.Out.WriteLineAsync(session.IsJson ? text : Text(outcome));
                    images++;
                    if (IsFailure(outcome)) failed++;
                }
            }
            catch (AdminException refusal) when (refusal.IsRefusal)
            {
                await session.ComplainAsync(refusal.Message);
                refused++;
            }
        }

        if (failed > 0) await session.ComplainAsync($"{failed} of {Words.Count(images, "image")} failed");
        return failed + refused == 0 ? ExitStatus.Fine : ExitStatus.Failed;
    }

    /// <summary>Whether the command has not done what it was asked: also when a tag is asked for that never was anywhere.</summary>
    internal static bool IsFailure(ImageOutcome outcome) => outcome is { Outcome: "failed" } or { Outcome: "gone", Previous: null };

    /// <summary>What became of an image, in a line for people.</summary>
    internal static string Text(ImageOutcome outcome)
    {
        var detail = outcome switch
        {
            { Error: { } error } => $": {Words.Line(error)}",
            { Outcome: "moved", Previous: { } previous, Digest: { } digest } =>
                $": {Words.Short(Words.Line(previous))} -> {Words.Short(Words.Line(digest))}",
            { Outcome: "moved", Digest: { } digest } => $": {Words.Short(Words.Line(digest))}",
            { Outcome: "removed", Bytes: { } freed } => $": {Quantity.Show(freed)} freed",
            { Outcome: "unpinned", Bytes: { } bytes } => $": {Quantity.Show(bytes)} not held by any pin now",
            { Bytes: { } bytes } => $": {Quantity.Show(bytes)}",
            _ => "",
        };
        return $"{Words.Line(outcome.Outcome),-9} {Words.Line(outcome.Reference)}{detail}";
    }
}
