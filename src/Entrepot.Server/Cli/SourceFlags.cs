using System.CommandLine;
using Entrepot.Server.Admin;
using Entrepot.Server.Sources;

namespace Entrepot.Server.Cli;

/// <summary>How commands are told of images: by name, or by the files that name them. Of one command.</summary>
internal sealed class SourceFlags
{
    private readonly Argument<string[]> _images;

    private readonly Option<string[]> _from = new("--from")
    {
        HelpName = "file",
        Description = "A file that names images, again and again: a list, a compose file, Kubernetes manifests or a Dockerfile; - is standard input.",
    };

    private readonly Option<ImageFileKind> _kind = Choice.Of(
        "--kind", "What the files are. Default: as their names and what is in them say.",
        ("list", ImageFileKind.List), ("compose", ImageFileKind.Compose), ("kubernetes", ImageFileKind.Kubernetes), ("dockerfile", ImageFileKind.Dockerfile));

    /// <summary>The argument and the flags.</summary>
    /// <param name="images">What the help says of the images.</param>
    public SourceFlags(string images) => _images = new("image") { Arity = ArgumentArity.ZeroOrMore, Description = images };

    /// <summary>Adds them to their command, which then wants at least one of both.</summary>
    public void AddTo(Command command)
    {
        command.Add(_images);
        command.Add(_from);
        command.Add(_kind);
        command.Validators.Add(result =>
        {
            if (result.GetResult(_images) is not { Tokens.Count: > 0 } && result.GetResult(_from) is null)
                result.AddError("no image is given: give images, or files that name them with --from");
        });
    }

    /// <summary>All images that are meant, in the order in which they are given.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="session">Where files are read, and standard input.</param>
    /// <param name="platforms">The platforms of the command line, which count for all of them, whatever files say; none if it says none.</param>
    /// <returns>The images, and what of the files cannot be understood.</returns>
    public async Task<(IReadOnlyList<WarmRequestImage> Images, IReadOnlyList<string> Problems)> ReadAsync(ParseResult parsed, Session session, IReadOnlyList<string> platforms)
    {
        ImageFileKind? kind = parsed.GetResult(_kind) is null ? null : parsed.GetValue(_kind);
        var images = (parsed.GetValue(_images) ?? []).Select(image => new WarmRequestImage(image)).ToList();
        var problems = new List<string>();
        foreach (var path in parsed.GetValue(_from) ?? [])
        {
            var found = await SourceReader.ReadAsync(path, kind, session.Around.In, session.Around.Environment, session.Stop);
            problems.AddRange(found.Problems);
            if (found.Images.Count + found.Problems.Count == 0) await session.ComplainAsync($"{Words.Line(found.File)}: names no images");
            images.AddRange(found.Images.Select(image => new WarmRequestImage(image.Reference, platforms.Count > 0 || image.Platforms.Count == 0 ? null : image.Platforms)));
        }

        return (images, problems);
    }
}
