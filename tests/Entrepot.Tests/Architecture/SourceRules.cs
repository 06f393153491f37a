using System.Text.RegularExpressions;

namespace Entrepot.Tests.Architecture;

/// <summary>Something in a file that should not be there.</summary>
/// <param name="File">The path from the repository's root.</param>
/// <param name="Line">From 1.</param>
/// <param name="What">What it is and what is allowed.</param>
internal sealed record Finding(string File, int Line, string What)
{
    public override string ToString() => $"{File}:{Line}: {What}";
}

/// <summary>A text file of the repository.</summary>
/// <param name="Path">From the repository's root.</param>
/// <param name="Text">All of it.</param>
internal sealed record SourceFile(string Path, string Text);

/// <summary>What source files must keep to, as functions of their text. Pure.</summary>
internal static partial class SourceRules
{
    private const int MaxFileLines = 400;
    private const int MaxMethodLines = 60;

    private static readonly (Regex Pattern, string What)[] Banned =
    [
        (Sleep(), "Thread.Sleep: nothing waits by sleeping"),
        (Result(), ".Result blocks a thread: await the task"),
        (Wait(), ".Wait() blocks a thread: await"),
        (GetResult(), "GetAwaiter().GetResult() blocks a thread: await the task"),
        (AsyncVoid(), "async void loses its exceptions: return a Task"),
    ];

    /// <summary>Files are small enough to hold in one's head.</summary>
    public static IEnumerable<Finding> FileLength(SourceFile file)
    {
        var lines = file.Text.AsSpan().TrimEnd('\n').Count('\n') + 1;
        if (lines > MaxFileLines) yield return new(file.Path, lines, $"{lines} lines; at most {MaxFileLines}");
    }

    /// <summary>So are methods.</summary>
    public static IEnumerable<Finding> MethodLength(SourceFile file)
    {
        var code = SourceText.CodeOnly(file.Text);
        foreach (var method in Member.Of(code).Where(member => member.IsMethod))
        {
            var first = SourceText.LineOf(code, method.Start);
            var lines = SourceText.LineOf(code, method.End) - first + 1;
            if (lines > MaxMethodLines) yield return new(file.Path, first, $"a method of {lines} lines; at most {MaxMethodLines}");
        }
    }

    /// <summary>Nothing blocks a thread, and no failure is lost.</summary>
    public static IEnumerable<Finding> BannedCalls(SourceFile file)
    {
        var lines = SourceText.CodeOnly(file.Text).Split('\n');
        return from index in Enumerable.Range(0, lines.Length)
               from banned in Banned
               where banned.Pattern.IsMatch(lines[index])
               select new Finding(file.Path, index + 1, banned.What);
    }

    /// <summary>What is to be done later stands in an issue, not in the source.</summary>
    public static IEnumerable<Finding> Notes(SourceFile file) =>
        Note().Matches(file.Text).Select(note => new Finding(file.Path, SourceText.LineOf(file.Text, note.Index), $"{note.Value}: open an issue, or do it"));

    /// <summary>A file has one namespace, for all of it.</summary>
    public static IEnumerable<Finding> Namespaces(SourceFile file)
    {
        var code = SourceText.CodeOnly(file.Text);
        if (BlockNamespace().Match(code) is { Success: true } block)
            yield return new(file.Path, SourceText.LineOf(code, block.Index), "a namespace with braces; end its line with a semicolon");
        else if (TypeName().IsMatch(code) && !FileNamespace().IsMatch(code))
            yield return new(file.Path, 1, "types without a namespace");
    }

    /// <summary>The compiler's demand for documentation is not switched off on the way.</summary>
    public static IEnumerable<Finding> Undocumented(SourceFile file) =>
        SwitchedOff().Matches(file.Text).Select(off => new Finding(file.Path, SourceText.LineOf(file.Text, off.Index), "CS1591 is switched off; document what is public"));

    /// <summary>Each file is needed: some other file mentions a type that it declares. Files that declare none are programs.</summary>
    public static IEnumerable<Finding> Dead(IReadOnlyCollection<SourceFile> files)
    {
        var read = files.Select(file => (file.Path, Code: SourceText.CodeOnly(file.Text))).ToList();
        var words = read.ToDictionary(file => file.Path, file => Word().Matches(file.Code).Select(word => word.Value).ToHashSet());
        return from file in read
               let types = TypeName().Matches(file.Code).Select(type => type.Groups[1].Value).ToList()
               where types.Count > 0 && !read.Any(other => other.Path != file.Path && types.Exists(words[other.Path].Contains))
               select new Finding(file.Path, 1, $"no other file mentions {string.Join(", ", types)}");
    }

    [GeneratedRegex(@"\bThread\s*\.\s*Sleep\b")]
    private static partial Regex Sleep();

    // An Outcome is no task, and a task that has completed does not block.
    [GeneratedRegex(@"^(?!.*\bIsCompletedSuccessfully\b).*(?<!\bOutcome)\.Result\b(?!\s*\()")]
    private static partial Regex Result();

    [GeneratedRegex(@"\.Wait(All|Any)?\s*\(")]
    private static partial Regex Wait();

    [GeneratedRegex(@"\.GetAwaiter\(\)\s*\.\s*GetResult\b")]
    private static partial Regex GetResult();

    [GeneratedRegex(@"\basync\s+void\b")]
    private static partial Regex AsyncVoid();

    [GeneratedRegex(@"\b(TODO|FIXME|HACK)\b")]
    private static partial Regex Note();

    [GeneratedRegex(@"\bnamespace\s+[\w.]+\s*\{")]
    private static partial Regex BlockNamespace();

    [GeneratedRegex(@"\bnamespace\s+[\w.]+\s*;")]
    private static partial Regex FileNamespace();

    [GeneratedRegex(@"#pragma\s+warning\s+disable\s.*1591")]
    private static partial Regex SwitchedOff();

    [GeneratedRegex(@"\b(?:class|struct|interface|record|enum)\s+(?!struct\b|class\b)([A-Za-z_]\w*)")]
    private static partial Regex TypeName();

    [GeneratedRegex(@"\w+")]
    private static partial Regex Word();
}
