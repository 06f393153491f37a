using System.CommandLine;
using Entrepot.Server.Admin;
using Entrepot.Server.Options;

namespace Entrepot.Server.Cli;

/// <summary><c>list</c>: what is cached.</summary>
internal static class ListCommand
{
    /// <summary>The command.</summary>
    public static Command Create(ServerFlags server)
    {
        var reference = new Argument<string?>("ref")
        {
            Arity = ArgumentArity.ZeroOrOne,
            Description = "The images to list: a reference, or a pattern with '*'. Default: all.",
        };
        return server.Command(
            new Command("list", "Lists the images that are cached, with what they take and when they were last pulled.") { reference },
            (parsed, session) => RunAsync(session, parsed.GetValue(reference)));
    }

    private static async Task<int> RunAsync(Session session, string? reference)
    {
        var query = reference is null ? "" : $"?ref={Uri.EscapeDataString(reference)}";
        var (text, list) = await session.Server.GetAsync($"/api/v1/images{query}", AdminJson.Default.ImageList, session.Stop);
        await session.Around.Out.WriteAsync(session.IsJson ? text + '\n' : Text(list, reference, session.Around.Clock.GetUtcNow()));
        return ExitStatus.Fine;
    }

    /// <summary>The list for people.</summary>
    /// <param name="list">The answer.</param>
    /// <param name="reference">What was asked for; <see langword="null"/> if everything was.</param>
    /// <param name="now">The time.</param>
    internal static string Text(ImageList list, string? reference, DateTimeOffset now)
    {
        if (list.Images.Count == 0 && reference is null) return "no images are cached\n";
        if (list.Images.Count == 0)
            return $"no cached image is {Words.Line(reference!)}; a name without a registry is of the default upstream, and a pattern is over the full form, e.g. 'docker.io/library/*'\n";

        var rows = list.Images.Select(image => (string[])
        [
            Words.Line($"{image.Upstream}/{image.Repository}"),
            image.Tags.Count == 0 ? "-" : Words.Line(string.Join(',', image.Tags)),
            Words.Short(Words.Line(image.Digest)),
            Quantity.Show(image.Size),
            Words.Ago(image.LastPull, now),
            State(image),
        ]);
        return Columns.Text([["REPOSITORY", "TAGS", "DIGEST", "SIZE", "LAST PULL", "STATE"], .. rows], right: 3)
            + $"{Words.Count(list.Images.Count, "image")}\n";
    }

    private static string State(ImageEntry image)
    {
        var state = new List<string> { image.Complete ? "complete" : "incomplete" };
        if (image.Pinned) state.Add("pinned");
        IEnumerable<string> sets = image.Sets ?? (image.Set is { } one ? [one] : []);   // an older server names one
        state.AddRange(sets.Select(set => $"set {Words.Line(set)}"));
        return string.Join(", ", state);
    }
}
