using System.Diagnostics;
using Microsoft.Win32.SafeHandles;

namespace Entrepot.Storage;

/// <summary>One open file for any number of readers, closed by the last of its users. Safe for concurrent use.</summary>
/// <remarks>A thousand followers of one fetch take one descriptor, not a thousand.</remarks>
internal sealed class SharedFile(SafeFileHandle handle)
{
    private int _users = 1;

    /// <summary>The file; valid while the caller is a user.</summary>
    public SafeFileHandle Handle => handle;

    /// <summary>Adds a user. Only who is one, or keeps one from leaving, may do that.</summary>
    public SharedFile Share()
    {
        var users = Interlocked.Increment(ref _users);
        Debug.Assert(users > 1);
        return this;
    }

    /// <summary>A user leaves.</summary>
    public void Release()
    {
        if (Interlocked.Decrement(ref _users) == 0) handle.Dispose();
    }
}
