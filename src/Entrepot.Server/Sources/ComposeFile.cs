using Entrepot.Oci;
using Entrepot.Server.Options;

namespace Entrepot.Server.Sources;

/// <summary>Gives the text of a file that another one leads to; or <see langword="null"/>, with why it cannot be had.</summary>
internal delegate string? OpenFile(string path, out string problem);

/// <summary>Finds the images of a compose file's services, whatever their profiles, and of the files that it extends and includes. For one file, by one caller.</summary>
internal sealed class ComposeFile
{
    private const int MostExtends = 16;
    private const int MostFiles = 100;

    private readonly OpenFile _open;
    private readonly FoundImages _found;
    private readonly Dictionary<string, IReadOnlyList<YamlMap>?> _files = new(StringComparer.Ordinal);   // null for what cannot be read
    private readonly HashSet<string> _included = new(StringComparer.Ordinal);
    private int _opened = 1;

    private ComposeFile(OpenFile open, FoundImages found) => (_open, _found) = (open, found);

    /// <summary>Reads a whole file.</summary>
    /// <param name="path">Where it is: what it leads to is relative to its folder.</param>
    /// <param name="text">What is in it.</param>
    /// <param name="variables">The value of a variable; <see langword="null"/> if it is not set.</param>
    /// <param name="open">Reads other files.</param>
    /// <param name="found">Gets the images.</param>
    public static void Read(string path, string text, Func<string, string?> variables, OpenFile open, FoundImages found)
    {
        var file = new ComposeFile(open, found);
        file._included.Add(Normal(path));
        file.Read(path, file.Documents(path, text), new Scope(variables));
    }

    private void Read(string path, IReadOnlyList<YamlMap> documents, Scope scope)
    {
        foreach (var top in documents)
        {
            if (top.Find("services") is YamlMap services)
                foreach (var service in services.Entries.Values.OfType<YamlMap>()) Read(new Service(path, services, service, scope));
            foreach (var include in (top.Find("include") as YamlList)?.Items ?? []) Include(path, include, scope);
        }
    }

    // One file, or several that are merged, with their own values of variables that this project does not set.
    private void Include(string path, YamlValue include, Scope scope)
    {
        var map = include as YamlMap;
        Scope? own = null;
        foreach (var file in map is null ? Texts(include) : Texts(map.Find("path")))
        {
            if (Resolve(path, file, scope, isNeeded: true) is { } there && _included.Add(there) && Open(path, file.Line, there) is { } documents)
                Read(there, documents, own ??= ScopeOf(path, there, map, scope));
        }
    }

    private Scope ScopeOf(string path, string first, YamlMap? include, Scope scope)
    {
        var values = new Dictionary<string, string>(StringComparer.Ordinal);
        if (include?.Find("env_file") is { } given)
        {
            foreach (var file in Texts(given))
                if (Resolve(path, file, scope, isNeeded: true) is { } there && Text(path, file.Line, there) is { } text) Add(text);
        }
        else
        {
            var folder = include?.FindText("project_directory") is { } directory ? Resolve(path, directory, scope, isNeeded: true) : Path.GetDirectoryName(first);
            if (folder is not null && _opened++ < MostFiles && _open(Path.Combine(folder, ".env"), out _) is { } text) Add(text);
        }

        return values.Count == 0 ? scope : new Scope(name => scope.Find(name) ?? values.GetValueOrDefault(name));

        void Add(string text)
        {
            foreach (var (name, value) in DotEnv.Read(text, name => scope.Find(name) ?? values.GetValueOrDefault(name))) values[name] = value;
        }
    }

    private static IEnumerable<YamlText> Texts(YamlValue? node) => node switch
    {
        YamlList several => several.Items.OfType<YamlText>(),
        YamlText { Text.Length: > 0 } one => [one],
        _ => [],
    };

    private void Read(Service service)
    {
        // One that is built has an image only if it says so.
        if (Find(service, "image", isNeeded: true) is not var (image, path)) return;
        if (service.Scope.Variables.Fill(image.Text!, out var reference) is { } problem)
        {
            _found.Refuse(path, image.Line, $"the image {Problem.Quote(image.Text!)} cannot be resolved: {problem}");
            return;
        }

        if (reference.Length == 0)
        {
            _found.Refuse(path, image.Line, $"the image {Problem.Quote(image.Text!)} is empty");
            return;
        }

        var platform = Find(service, "platform", isNeeded: false) is var (given, _) && service.Scope.Variables.Fill(given.Text!, out var filled) is null && Platform.TryParse(filled, out _) ? filled : null;
        _found.Add(reference, platform is null ? [] : [platform]);
    }

    // What is not needed is no reason to read another file, or to complain.
    private (YamlText Text, string Path)? Find(Service service, string key, bool isNeeded)
    {
        for (var i = 0; i < MostExtends; i++)
        {
            if (service.Own.FindText(key) is { } text) return (text, service.Path);
            if (ParentOf(service, isNeeded) is not { } parent) return null;
            service = parent;
        }

        return null;
    }

    private Service? ParentOf(Service service, bool isNeeded)
    {
        var extends = service.Own.Find("extends");
        if ((extends is YamlMap map ? map.FindText("service") : extends as YamlText) is not { Text: { } name } at) return null;
        var (path, places) = (service.Path, (IEnumerable<YamlMap>)[service.Siblings]);
        if ((extends as YamlMap)?.FindText("file") is { } file)
        {
            if (Resolve(path, file, service.Scope, isNeeded) is not { } there || (isNeeded ? Open(path, file.Line, there) : _files.GetValueOrDefault(there)) is not { } documents) return null;
            (path, places) = (there, documents.Select(top => top.Find("services")).OfType<YamlMap>());
        }

        foreach (var services in places)
            if (services.Find(name) is YamlMap parent) return new Service(path, services, parent, service.Scope);
        if (isNeeded) _found.Refuse(service.Path, at.Line, $"a service extends {Problem.Quote(name)}, which {path} does not have");
        return null;
    }

    private string? Resolve(string from, YamlText file, Scope scope, bool isNeeded)
    {
        var problem = scope.Variables.Fill(file.Text!, out var filled);
        if (problem is null && filled.Length > 0 && !filled.Contains('\0', StringComparison.Ordinal)) return Normal(Path.Combine(Path.GetDirectoryName(from) ?? "", filled));
        if (isNeeded) _found.Refuse(from, file.Line, $"the file {Problem.Quote(file.Text!)} cannot be resolved: {problem ?? "it is no path"}");
        return null;
    }

    // What leads back to a file has its name then.
    private static string Normal(string path) => Path.IsPathRooted(path) ? Path.GetFullPath(path) : Path.GetRelativePath(".", path);

    private IReadOnlyList<YamlMap>? Open(string from, long line, string path)
    {
        if (_files.TryGetValue(path, out var known)) return known;
        return Text(from, line, path) is { } text ? Documents(path, text) : _files[path] = null;
    }

    private string? Text(string from, long line, string path)
    {
        var problem = $"more than {MostFiles} files lead to each other";
        if (_opened++ < MostFiles && _open(path, out problem) is { } text) return text;
        _found.Refuse(from, line, $"the file {Problem.Quote(path)} cannot be read: {problem}");
        return null;
    }

    private IReadOnlyList<YamlMap> Documents(string path, string text)
    {
        IReadOnlyList<YamlMap> documents = [.. YamlDocuments.Read(text, (line, what) => _found.Refuse(path, line, what)).OfType<YamlMap>()];
        _files[path] = documents;
        return documents;
    }

    // A service, where it stands, and those beside it, of which it may extend one.
    private readonly record struct Service(string Path, YamlMap Siblings, YamlMap Own, Scope Scope);

    // The values that variables have in a file.
    private sealed record Scope(Func<string, string?> Find)
    {
        public Variables Variables { get; } = new(Find, hasDollars: true);
    }
}
