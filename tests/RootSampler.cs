namespace Entrepot.Tests.Shared;

/// <summary>Measures a directory from outside, again and again, while something runs: what everything in it takes on disk.</summary>
internal sealed class RootSampler : IAsyncDisposable
{
    private const long BlockSize = 4096;

    private readonly string _root;
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _sampling;
    private long _most;

    public RootSampler(string root)
    {
        _root = root;
        _sampling = Task.Run(Sample);
    }

    /// <summary>The most that it ever found.</summary>
    public long Most => Interlocked.Read(ref _most);

    /// <summary>Bytes on disk now. What is gone when the last file has been looked at does not count: it never lay beside that.</summary>
    public static long Measure(string root)
    {
        var seen = Directory.EnumerateFileSystemEntries(root, "*", SearchOption.AllDirectories).Select(path => (path, Size: OnDisk(path))).ToList();
        return seen.Where(one => Path.Exists(one.path)).Sum(one => one.Size);
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _sampling;
        _stop.Dispose();
    }

    private static long OnDisk(string path)
    {
        try
        {
            return Directory.Exists(path) ? BlockSize : (new FileInfo(path).Length + BlockSize - 1) / BlockSize * BlockSize;
        }
        catch (FileNotFoundException)
        {
            return 0;
        }
    }

    private void Sample()
    {
        while (!_stop.IsCancellationRequested) Interlocked.Exchange(ref _most, Math.Max(_most, Measure(_root)));
    }
}
