// Daemons share the machine's two or so cores and name their pulls in one upstream log: one test at a time.
[assembly: CollectionBehavior(DisableTestParallelization = true)]

namespace Entrepot.ClientTests.Kit;

/// <summary>What <c>tests/run.sh</c> tells the tests by environment variables. Safe for concurrent use.</summary>
internal static class TestRun
{
    private static readonly Lock Gate = new();

    private static readonly string? PublishedProgram = Environment.GetEnvironmentVariable("PUBLISHED_PROGRAM");

    /// <summary>Why no client may be started; <see langword="null"/> if it may.</summary>
    /// <remarks>Outside the loopback-only namespace an engine whose mirror fails would turn to the real registry.</remarks>
    public static string? SkipReason { get; } =
        PublishedProgram is null ? "run by tests/run.sh, which publishes the program and takes the network away" : null;

    /// <summary>The published executable under test.</summary>
    public static string Program => PublishedProgram ?? throw new InvalidOperationException(SkipReason);

    /// <summary>Begins the crash test's random choices; printed by <c>tests/run.sh</c>.</summary>
    public static int Seed { get; } = Number("CRASH_SEED", Environment.TickCount & 0xFFFFFF);

    /// <summary>How long the crash test goes on at least.</summary>
    public static TimeSpan Soak { get; } = TimeSpan.FromSeconds(Number("SOAK", 0));

    /// <summary>How often the crash tests kill the program at least.</summary>
    public static int Kills { get; } = Number("KILLS", 20);

    /// <summary>Where the processes of one test write their logs; made here.</summary>
    public static string LogFolder(string test)
    {
        var results = Environment.GetEnvironmentVariable("CLIENT_LOGS") ?? Path.Combine(AppContext.BaseDirectory, "logs");
        return Directory.CreateDirectory(Path.Combine(results, test)).FullName;
    }

    /// <summary>Where programs lie that are newer than the system's, laid out as a root directory; <see langword="null"/> if there are none.</summary>
    public static string? NewerRoot { get; } = Environment.GetEnvironmentVariable("CLIENT_NEWER") is { Length: > 0 } root ? root : null;

    /// <summary>Whether the system's docker client can build with BuildKit: since version 23 that takes a plugin.</summary>
    public static bool SystemHasBuildKit { get; } = Environment.GetEnvironmentVariable("CLIENT_BUILDKIT") != "no";

    /// <summary>Notes what an engine did in one situation; <c>tests/run.sh</c> makes the table in <c>docs/clients.md</c> from it.</summary>
    public static void Record(string engine, string version, string situation, string outcome)
    {
        if (Environment.GetEnvironmentVariable("CLIENT_OUTCOMES") is not { } file) return;
        lock (Gate) File.AppendAllText(file, $"{engine}\t{version}\t{situation}\t{outcome}\n");
    }

    /// <summary>Notes that a real client has pulled an image; <c>tests/run.sh</c> fails a run in which some client has not.</summary>
    public static void CountPull(string client)
    {
        if (Environment.GetEnvironmentVariable("CLIENT_PULLS") is not { } file) return;
        lock (Gate) File.AppendAllText(file, client + "\n");
    }

    private static int Number(string variable, int otherwise) =>
        int.TryParse(Environment.GetEnvironmentVariable(variable), out var number) ? number : otherwise;
}
