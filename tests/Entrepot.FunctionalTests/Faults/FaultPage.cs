namespace Entrepot.FunctionalTests.Faults;

/// <summary>A row of the fault matrix, as it was observed.</summary>
/// <param name="Fault">What went wrong.</param>
/// <param name="Saw">What the client saw.</param>
/// <param name="Cached">What was cached afterwards.</param>
/// <param name="Metrics">What the metrics said.</param>
internal sealed record FaultRow(string Fault, string Saw, string Cached, string Metrics)
{
    public string Line => $"| {Fault} | {Saw} | {Cached} | {Metrics} |";
}

/// <summary>
/// The fault matrix, <c>docs/faults.md</c>: each test compares the row that it observed with the page's. With <c>FAULTS=write</c> in the environment the row
/// goes into the page instead: in its place or, if it is new, at the end of its section's table.
/// </summary>
internal static class FaultPage
{
    private static readonly Lock Gate = new();   // of the file: classes run beside each other

    private static readonly string Path = FindPage();

    /// <summary>The faults that have a row, in the page's order.</summary>
    public static IReadOnlyList<string> Faults => [.. Read().Where(IsRow).Select(FaultOf)];

    /// <summary>Compares what was observed with the page, or writes it there.</summary>
    /// <param name="section">The heading above the row's table, without its signs.</param>
    /// <param name="row">What was observed.</param>
    public static void Tell(string section, FaultRow row)
    {
        lock (Gate)
        {
            var lines = Read();
            var place = lines.FindIndex(line => IsRow(line) && FaultOf(line) == row.Fault);
            if (Environment.GetEnvironmentVariable("FAULTS") == "write")
            {
                if (place >= 0) lines[place] = row.Line;
                else Insert(section, row.Line, lines);
                File.WriteAllText(Path, string.Join('\n', lines));
                return;
            }

            Assert.True(place >= 0, $"docs/faults.md has no row of this fault; FAULTS=write adds it:\n{row.Line}");
            Assert.Equal(lines[place], row.Line);
        }
    }

    private static List<string> Read() => [.. File.ReadAllText(Path).Split('\n')];

    // Headers and rules of tables are no rows.
    private static bool IsRow(string line) => line.StartsWith("| ", StringComparison.Ordinal) && !line.StartsWith("| fault |", StringComparison.Ordinal) && !line.StartsWith("| ---", StringComparison.Ordinal);

    private static string FaultOf(string line) => line.Split(" | ")[0][2..];

    // Rows are in the order of their tests.
    private static void Insert(string section, string row, List<string> lines)
    {
        var heading = lines.IndexOf($"## {section}");
        Assert.True(heading >= 0, $"docs/faults.md has no section '{section}'");
        var table = lines.FindIndex(heading, line => line.StartsWith("| ---", StringComparison.Ordinal));
        var order = FaultAttribute.All.ToList();
        var place = table + 1;
        while (place < lines.Count && lines[place].StartsWith('|') && order.IndexOf(FaultOf(lines[place])) < order.IndexOf(FaultOf(row))) place++;
        lines.Insert(place, row);
    }

    private static string FindPage()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(System.IO.Path.Combine(folder.FullName, "Cache.sln"))) folder = folder.Parent!;
        return System.IO.Path.Combine(folder.FullName, "docs", "faults.md");
    }
}
