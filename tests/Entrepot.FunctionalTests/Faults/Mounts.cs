using System.Diagnostics;

namespace Entrepot.FunctionalTests.Faults;

/// <summary>File systems that tests mount, where they are root.</summary>
internal static class Mounts
{
    /// <summary>Mounts one in memory.</summary>
    /// <param name="path">Over which directory.</param>
    /// <param name="options">What <c>mount -o</c> takes.</param>
    /// <returns>Whether it is there.</returns>
    public static bool TryMount(string path, string options) => TryRun("mount", "-t", "tmpfs", "-o", options, "tmpfs", path);

    /// <summary>Runs one of the system's programs.</summary>
    /// <returns>Whether it is there and succeeded.</returns>
    public static bool TryRun(string program, params string[] arguments)
    {
        if (!File.Exists(Path.Combine("/usr/bin", program))) return false;
        using var process = Process.Start(new ProcessStartInfo(Path.Combine("/usr/bin", program), arguments) { RedirectStandardError = true })!;
        process.StandardError.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0;
    }

    /// <summary>Writes a file until its file system has no room.</summary>
    public static void Fill(string path)
    {
        using var file = new FileStream(path, FileMode.Create, FileAccess.Write, FileShare.Read, bufferSize: 0);
        try
        {
            while (true) file.Write(new byte[4096]);
        }
        catch (IOException)
        {
            // Now it is.
        }
    }
}
