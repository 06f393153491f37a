using Entrepot.Oci;
using Entrepot.Server.Options;

namespace Entrepot.Server.Sources;

/// <summary>Finds the images that a Dockerfile builds from: <c>FROM</c>, <c>COPY --from</c> and <c>RUN --mount=from</c>, but for its own stages. Pure.</summary>
internal sealed class Dockerfile
{
    private readonly FoundImages _found;
    private readonly Dictionary<string, string?> _arguments = [];   // those before the first stage, which FROM may use
    private readonly HashSet<string> _stages = new(StringComparer.OrdinalIgnoreCase);
    private readonly Variables _variables;
    private bool _hasBegun;

    private Dockerfile(FoundImages found)
    {
        _found = found;
        _variables = new Variables(name => _arguments.GetValueOrDefault(name), hasDollars: false);
    }

    /// <summary>Reads a whole file.</summary>
    public static void Read(string text, FoundImages found)
    {
        var file = new Dockerfile(found);
        foreach (var (line, instruction) in DockerfileLines.Read(text, (line, what) => found.Refuse(line, what))) file.Read(line, instruction);
    }

    private void Read(int line, string instruction)
    {
        var (word, rest) = First(instruction);
        switch (word.ToUpperInvariant())
        {
            case "ARG" when !_hasBegun:
                foreach (var argument in DockerfileLines.Words(rest)) Declare(argument);
                break;
            case "FROM":
                _hasBegun = true;
                ReadFrom(line, rest);
                break;
            case "COPY" or "RUN" or "ADD":
                ReadFlags(line, rest);
                break;
            case "ONBUILD" when !rest.StartsWith("ONBUILD", StringComparison.OrdinalIgnoreCase):
                Read(line, rest);
                break;
        }
    }

    private void Declare(string argument)
    {
        var equals = argument.IndexOf('=', StringComparison.Ordinal);
        if (equals < 0)
        {
            _arguments.TryAdd(argument, null);
            return;
        }

        // One that cannot be filled in is as good as none: who uses it is told.
        _arguments[argument[..equals]] = _variables.Fill(argument[(equals + 1)..], out var value) is null ? value : null;
    }

    private void ReadFrom(int line, string rest)
    {
        var words = DockerfileLines.Words(rest);
        var flags = words.TakeWhile(word => word.StartsWith("--", StringComparison.Ordinal)).ToList();
        var operands = words.Skip(flags.Count).ToList();
        if (operands.Count == 0)
        {
            _found.Refuse(line, "FROM names no image");
            return;
        }

        var platform = flags.Find(flag => flag.StartsWith("--platform=", StringComparison.OrdinalIgnoreCase))?["--platform=".Length..];
        Use(line, operands[0], platform is not null && Platform.TryParse(platform, out _) ? platform : null, isFilled: true);
        if (operands.Count >= 3 && operands[1].Equals("AS", StringComparison.OrdinalIgnoreCase)) _stages.Add(operands[2]);
    }

    private void ReadFlags(int line, string rest)
    {
        foreach (var flag in DockerfileLines.Words(rest).TakeWhile(word => word.StartsWith("--", StringComparison.Ordinal)))
        {
            if (flag.StartsWith("--from=", StringComparison.OrdinalIgnoreCase)) Use(line, flag["--from=".Length..], null, isFilled: false);
            if (!flag.StartsWith("--mount=", StringComparison.OrdinalIgnoreCase)) continue;
            foreach (var part in flag["--mount=".Length..].Split(','))
                if (part.StartsWith("from=", StringComparison.OrdinalIgnoreCase)) Use(line, part["from=".Length..], null, isFilled: false);
        }
    }

    private void Use(int line, string name, string? platform, bool isFilled)
    {
        var reference = name;
        var problem = isFilled ? _variables.Fill(name, out reference)
            : name.Contains('$', StringComparison.Ordinal) ? "variables are not filled in here"
            : null;
        if (problem is null && reference.Length == 0) problem = "it is empty";
        if (problem is not null) _found.Refuse(line, $"the image {Problem.Quote(name)} cannot be resolved: {problem}");
        else if (!IsOwn(reference)) _found.Add(reference, platform is null ? [] : [platform]);
    }

    private bool IsOwn(string name) => name.Equals("scratch", StringComparison.OrdinalIgnoreCase) || _stages.Contains(name) || name.All(char.IsAsciiDigit);

    private static (string Word, string Tail) First(string text)
    {
        var end = text.AsSpan().IndexOfAny(' ', '\t');
        return end < 0 ? (text, "") : (text[..end], text[(end + 1)..].TrimStart());
    }
}
