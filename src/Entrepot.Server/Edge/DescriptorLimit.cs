using System.Globalization;

namespace Entrepot.Server.Edge;

/// <summary>How many descriptors this process may have, and how many connections of clients and fetches that is enough for.</summary>
internal static class DescriptorLimit
{
    // For connections to upstreams, what is fetched, listeners and what the runtime has open: some 200 at least. Where there are few, five of eight.
    private const int Others = 1000;

    private const string Limits = "/proc/self/limits";

    /// <summary>Most descriptors of this process; <see langword="null"/> if the system does not say. The runtime has raised it as far as it may be.</summary>
    public static long? Find()
    {
        try
        {
            return OperatingSystem.IsLinux() ? Parse(File.ReadLines(Limits)) : null;
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>What the system's list of limits says of descriptors; <see langword="null"/> if nothing.</summary>
    internal static long? Parse(IEnumerable<string> lines)
    {
        const string Name = "Max open files ";
        var words = lines.FirstOrDefault(line => line.StartsWith(Name, StringComparison.Ordinal))?[Name.Length..].Split(' ', StringSplitOptions.RemoveEmptyEntries);
        return words is [var soft, ..] && long.TryParse(soft, NumberStyles.None, CultureInfo.InvariantCulture, out var limit) ? limit : null;
    }

    /// <summary>How many of the connections that are wanted there may be.</summary>
    public static int ConnectionsOf(int wanted) => Find() is { } limit ? (int)Math.Min(wanted, RoomIn(limit)) : wanted;

    /// <summary>How many of the fetches that are wanted there may be at once.</summary>
    public static int FetchesOf(int wanted) => Find() is { } limit ? (int)Math.Min(wanted, FetchesIn(limit)) : wanted;

    /// <summary>Most connections of clients under a limit of descriptors: nearly all of them may be sent files of their own.</summary>
    internal static long RoomIn(long limit) => Math.Max(1, (limit - Math.Min(Others, limit * 5 / 8)) * 5 / 9);

    /// <summary>Most fetches under a limit of descriptors: clients that have left leave them behind, each with a file and a connection to an upstream.</summary>
    internal static long FetchesIn(long limit) => Math.Max(1, limit / 32);
}
