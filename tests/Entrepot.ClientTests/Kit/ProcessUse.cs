namespace Entrepot.ClientTests.Kit;

/// <summary>What a process holds at one moment, as the system accounts for it.</summary>
/// <param name="Memory">Bytes of its own memory that are resident: no files, no page cache.</param>
/// <param name="Descriptors">All that it has open.</param>
/// <param name="Files">Those of them that are files under the folders asked for.</param>
internal sealed record ProcessUse(long Memory, int Descriptors, int Files)
{
    /// <summary>Looks at a running process of this user.</summary>
    /// <param name="process">Its number.</param>
    /// <param name="folders">Where the files are that are counted; absolute paths.</param>
    public static ProcessUse Of(int process, params IReadOnlyList<string> folders)
    {
        var open = Directory.EnumerateFileSystemEntries($"/proc/{process}/fd").Select(Target).OfType<string>().ToList();
        return new ProcessUse(AnonymousBytes(process), open.Count, open.Count(target => folders.Any(folder => target.StartsWith(folder + '/', StringComparison.Ordinal))));
    }

    // What was closed since it was listed is not open.
    private static string? Target(string descriptor)
    {
        try
        {
            return new FileInfo(descriptor).LinkTarget;
        }
        catch (IOException)
        {
            return null;
        }
    }

    private static long AnonymousBytes(int process)
    {
        var line = File.ReadLines($"/proc/{process}/status").Single(line => line.StartsWith("RssAnon:", StringComparison.Ordinal));
        return 1024 * long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[^2], System.Globalization.CultureInfo.InvariantCulture);
    }
}
