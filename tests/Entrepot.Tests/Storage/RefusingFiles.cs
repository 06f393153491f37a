using Entrepot.Storage;

namespace Entrepot.Tests.Storage;

/// <summary>Files whose renames and directories fail where a test says. Safe for concurrent use.</summary>
internal sealed class RefusingFiles : FileCalls
{
    private const int Io = 5;

    /// <summary>Whether a file may not get this name.</summary>
    public Func<string, bool> RefusesName { get; set; } = _ => false;

    /// <summary>Whether this directory cannot be flushed.</summary>
    public Func<string, bool> RefusesDirectory { get; set; } = _ => false;

    public override void Rename(string from, string to)
    {
        if (RefusesName(to)) throw new IOException($"scripted: '{to}'", Io);
        base.Rename(from, to);
    }

    public override void FlushDirectory(string path)
    {
        if (RefusesDirectory(path)) throw new IOException($"scripted: '{path}'", Io);
        base.FlushDirectory(path);
    }
}
