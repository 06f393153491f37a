using Entrepot.Oci;
using Entrepot.Server.Options;

namespace Entrepot.Server.Sources;

/// <summary>Finds the images of a compose file's services, whatever their profiles. Pure.</summary>
internal static class ComposeFile
{
    private const int MostExtends = 16;

    /// <summary>Reads a whole file.</summary>
    /// <param name="text">What is in it.</param>
    /// <param name="variables">The value of a variable; <see langword="null"/> if it is not set.</param>
    /// <param name="found">Gets the images.</param>
    public static void Read(string text, Func<string, string?> variables, FoundImages found)
    {
        foreach (var document in YamlDocuments.Read(text, found.Refuse))
        {
            if (document is not YamlMap top || top.Find("services") is not YamlMap services) continue;
            foreach (var service in services.Entries.Values.OfType<YamlMap>()) Read(service, services, new Variables(variables, hasDollars: true), found);
        }
    }

    private static void Read(YamlMap service, YamlMap services, Variables variables, FoundImages found)
    {
        // One that is built has an image only if it says so.
        if (Find(service, "image", services) is not { } image) return;
        if (variables.Fill(image.Text!, out var reference) is { } problem)
        {
            found.Refuse(image.Line, $"the image {Problem.Quote(image.Text!)} cannot be resolved: {problem}");
            return;
        }

        if (reference.Length == 0)
        {
            found.Refuse(image.Line, $"the image {Problem.Quote(image.Text!)} is empty");
            return;
        }

        var platform = Find(service, "platform", services) is { } given && variables.Fill(given.Text!, out var filled) is null && Platform.TryParse(filled, out _) ? filled : null;
        found.Add(reference, platform is null ? [] : [platform]);
    }

    private static YamlText? Find(YamlMap service, string key, YamlMap services)
    {
        for (var i = 0; i < MostExtends; i++)
        {
            if (service.FindText(key) is { } text) return text;
            var parent = service.Find("extends") switch
            {
                YamlText { Text: { } name } => name,
                YamlMap of when of.FindText("file") is null => of.FindText("service")?.Text,
                _ => null,
            };
            if (parent is null || services.Find(parent) is not YamlMap extended) return null;
            service = extended;
        }

        return null;
    }
}
