namespace Entrepot.Server.Sources;

/// <summary>An image that a file names.</summary>
/// <param name="Reference">As it stands there, with variables filled in.</param>
/// <param name="Platforms">The platforms that the file wants of it; none if it does not say.</param>
internal sealed record FoundImage(string Reference, IReadOnlyList<string> Platforms);

/// <summary>What a file names: images, in the order in which they first come, and what could not be understood. Used by one caller.</summary>
/// <param name="file">The file's name, for problems.</param>
internal sealed class FoundImages(string file)
{
    private readonly List<FoundImage> _images = [];
    private readonly List<string> _problems = [];
    private readonly HashSet<(string, string)> _known = [];

    /// <summary>The file's name, for problems.</summary>
    public string File => file;

    /// <summary>The images, each once.</summary>
    public IReadOnlyList<FoundImage> Images => _images;

    /// <summary>What is wrong, a sentence each, with file and line.</summary>
    public IReadOnlyList<string> Problems => _problems;

    /// <summary>Adds an image, unless it is there.</summary>
    public void Add(string reference, params IReadOnlyList<string> platforms)
    {
        if (_known.Add((reference, string.Join(',', platforms)))) _images.Add(new FoundImage(reference, platforms));
    }

    /// <summary>Something is wrong at a line; 0 if no line says it.</summary>
    public void Refuse(long line, string what) => Refuse(file, line, what);

    /// <summary>As the other, of another file that this one leads to.</summary>
    public void Refuse(string other, long line, string what) => _problems.Add(line > 0 ? $"{other}:{line}: {what}" : $"{other}: {what}");
}
