using System.Text;

namespace Entrepot.Server.Sources;

/// <summary>Reads files that name images. What goes wrong is a problem of the file, no exception.</summary>
internal static class SourceReader
{
    /// <summary>What stands for standard input.</summary>
    public const string StandardInput = "-";

    private const string TooLarge = "it is larger than 64 MiB";

    private static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>Reads a file.</summary>
    /// <param name="path">Where it is; <see cref="StandardInput"/> for <paramref name="input"/>.</param>
    /// <param name="kind">What it is; <see langword="null"/> to find out.</param>
    /// <param name="input">Standard input.</param>
    /// <param name="environment">Variables that compose files may use, beside those of the <c>.env</c> file next to them.</param>
    /// <param name="cancel">Ends it.</param>
    public static async Task<FoundImages> ReadAsync(
        string path, ImageFileKind? kind, TextReader input, IReadOnlyDictionary<string, string> environment, CancellationToken cancel)
    {
        var name = path == StandardInput ? "standard input" : path;
        try
        {
            var text = path == StandardInput ? await input.ReadToEndAsync(cancel) : await File.ReadAllTextAsync(path, StrictUtf8, cancel);
            if (text.Length > ImageFile.MostChars) return Refused(name, $"cannot be a file that names images: {TooLarge}");
            var beside = path == StandardInput ? "" : Path.Combine(Path.GetDirectoryName(path) ?? "", ".env");
            var variables = beside.Length > 0 && File.Exists(beside)
                ? DotEnv.Read(await File.ReadAllTextAsync(beside, cancel), environment.GetValueOrDefault)
                : new Dictionary<string, string>();
            return ImageFile.Read(name, text, kind, variable => environment.GetValueOrDefault(variable) ?? variables.GetValueOrDefault(variable), Open);
        }
        catch (Exception fault) when (IsOfTheFile(fault))
        {
            return Refused(name, $"cannot be read: {Reason(fault)}");
        }
    }

    private static string? Open(string path, out string problem)
    {
        try
        {
            var text = File.ReadAllText(path, StrictUtf8);
            problem = TooLarge;
            return text.Length > ImageFile.MostChars ? null : text;
        }
        catch (Exception fault) when (IsOfTheFile(fault))
        {
            problem = Reason(fault);
            return null;
        }
    }

    private static bool IsOfTheFile(Exception fault) => fault is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException;

    private static FoundImages Refused(string name, string why)
    {
        var found = new FoundImages(name);
        found.Refuse(0, why);
        return found;
    }

    /// <summary>Why a file cannot be read, for people.</summary>
    public static string Reason(Exception fault) => fault switch
    {
        FileNotFoundException or DirectoryNotFoundException => "there is no such file",
        DecoderFallbackException => "it is not UTF-8 text",
        UnauthorizedAccessException => "it is a directory, or this user may not read it",
        _ => fault.Message.ReplaceLineEndings(" "),
    };
}
