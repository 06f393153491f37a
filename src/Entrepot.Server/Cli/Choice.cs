using System.CommandLine;
using Entrepot.Server.Options;

namespace Entrepot.Server.Cli;

/// <summary>How answers look.</summary>
internal enum OutputFormat
{
    /// <summary>For people.</summary>
    Text,

    /// <summary>For programs: the messages of the admin API.</summary>
    Json,
}

/// <summary>Flags that take one of a few words.</summary>
internal static class Choice
{
    /// <summary>A flag whose values have names. What is no name of one is a usage error that lists them.</summary>
    public static Option<T> Of<T>(string name, string description, params (string Name, T Value)[] choices)
    {
        var allowed = string.Join(", ", choices.Select(choice => choice.Name));
        var option = new Option<T>(name)
        {
            Description = description,
            HelpName = string.Join('|', choices.Select(choice => choice.Name)),
            CustomParser = result => choices.FirstOrDefault(choice => choice.Name == result.Tokens[0].Value).Value,
        };
        option.Validators.Add(result =>
        {
            if (result.Tokens.Count == 1 && choices.All(choice => choice.Name != result.Tokens[0].Value))
                result.AddError($"{name} {Problem.Quote(result.Tokens[0].Value)} is not allowed; allowed: {allowed}");
        });
        return option;
    }

    /// <summary><c>--output</c>, for every command that has an answer.</summary>
    public static Option<OutputFormat> Output() => Of(
        "--output", "How the answer looks. Default: text.", ("text", OutputFormat.Text), ("json", OutputFormat.Json));
}
