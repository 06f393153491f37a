using System.Globalization;

namespace Entrepot.Server.Edge;

/// <summary>How many descriptors this process may have, and how many connections of clients that is enough for.</summary>
internal static class DescriptorLimit
{
    // For everything but clients' connections: files that are sent and fetched, connections to upstreams, listeners, what the runtime has open. Where there are few, half of them.
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

    /// <summary>Most connections of clients under a limit of descriptors.</summary>
    internal static long RoomIn(long limit) => limit - Math.Min(Others, limit / 2);
}
