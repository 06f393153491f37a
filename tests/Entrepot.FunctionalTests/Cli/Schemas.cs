using System.Collections.Concurrent;
using NJsonSchema;

namespace Entrepot.FunctionalTests.Cli;

/// <summary>The JSON Schemas of <c>docs/schemas</c>.</summary>
internal static class Schemas
{
    private static readonly ConcurrentDictionary<string, Task<JsonSchema>> Read = new();

    /// <summary>Asserts that a text is JSON of a schema.</summary>
    public static async Task CheckAsync(string schema, string json)
    {
        var read = await Read.GetOrAdd(schema, name => JsonSchema.FromFileAsync(Path.Combine(Folder(), name + ".json")));
        var errors = read.Validate(json);
        Assert.True(errors.Count == 0, $"not as {schema}.json has it: {string.Join("; ", errors)}\n{json}");
    }

    /// <summary>Asserts that every line is JSON of a schema, and that there is one.</summary>
    public static async Task CheckLinesAsync(string schema, Ran ran)
    {
        Assert.NotEmpty(ran.Lines);
        foreach (var line in ran.Lines) await CheckAsync(schema, line);
    }

    private static string Folder()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(folder.FullName, "Cache.sln"))) folder = folder.Parent!;
        return Path.Combine(folder.FullName, "docs", "schemas");
    }
}
