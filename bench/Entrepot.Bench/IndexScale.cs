using System.Diagnostics;
using Entrepot.Oci;
using Entrepot.Pull;
using Entrepot.Storage;

namespace Entrepot.Bench;

/// <summary>How do the index's times and memory grow with the number of blobs? There is a tag for every tenth.</summary>
internal static class IndexScale
{
    private const string MediaType = "application/vnd.oci.image.manifest.v1+json";

    public static async Task RunAsync(int blobs)
    {
        var path = Directory.CreateTempSubdirectory("entrepot-bench-").FullName;
        using (var root = StoreRoot.Open(path)) await FillAsync(root, blobs);

        var bytes = new DirectoryInfo(Path.Combine(path, "index")).EnumerateFiles().Sum(file => file.Length);
        var log = new FileInfo(Path.Combine(path, "records", "log")).Length;
        Console.WriteLine($"index/ {bytes / 1e6:0.0} MB, records/ {log / 1e6:0.0} MB");

        // In a process of its own, whose memory is that of the recovered index alone.
        using (var second = Process.Start(Environment.ProcessPath!, [.. Environment.GetCommandLineArgs()[..1].Where(IsLibrary), "index-recover", path])) await second.WaitForExitAsync();
        Directory.Delete(path, recursive: true);

        static bool IsLibrary(string argument) => Path.GetFileNameWithoutExtension(Environment.ProcessPath) == "dotnet";
    }

    /// <summary>Leaves a store behind that the program can be started on: the index, the records, and a file for each blob, which is empty.</summary>
    public static async Task FillStoreAsync(int blobs, string path)
    {
        using var root = StoreRoot.Open(path);
        await FillAsync(root, blobs);
        for (var i = 0; i < blobs; i++)
        {
            var hex = IndexLookup.DigestOf(i).Hex;
            var folder = Path.Combine(path, "blobs", "sha256", hex[..2]);
            if (i < 65_536) Directory.CreateDirectory(folder);
            File.Create(Path.Combine(folder, hex)).Dispose();
        }
    }

    public static async Task RecoverAsync(string path)
    {
        using var root = StoreRoot.Open(path);
        using var watch = new Meter();
        await using var index = new FasterCacheIndex(root, TimeSpan.FromHours(1), TimeProvider.System, fault => throw fault);
        watch.Print($"recover{index.Warning}");
        var count = index.Blobs().Count();
        watch.Print($"scan of {count:N0}");
        LookUp(index, count, watch);
    }

    private static void LookUp(FasterCacheIndex index, int blobs, Meter watch)
    {
        const int Lookups = 1_000_000;
        var random = new Random(1);
        var asked = Enumerable.Range(0, 1 << 16).Select(_ => IndexLookup.DigestOf(random.Next(blobs))).ToArray();
        foreach (var digest in asked) index.Touch(digest, DateTimeOffset.UnixEpoch);
        watch.Print("preparing lookups");
        for (var i = 0; i < Lookups; i++)
        {
            var digest = asked[i % asked.Length];
            if (index.FindBlob(digest) is not null) index.Touch(digest, DateTimeOffset.UnixEpoch.AddTicks(i));
        }

        watch.Print($"{Lookups:N0} lookups, each with a touch");
    }

    private static async Task FillAsync(StoreRoot root, int blobs)
    {
        using var watch = new Meter();
        await using var index = new FasterCacheIndex(root, TimeSpan.FromHours(1), TimeProvider.System, fault => throw fault);
        for (var i = 0; i < blobs; i++) index.AddBlob(IndexLookup.DigestOf(i), new BlobRecord(i, DateTimeOffset.UnixEpoch));
        watch.Print("insert of blobs");

        await Parallel.ForAsync(0, blobs / 10, new ParallelOptions { MaxDegreeOfParallelism = 64 }, async (i, cancel) =>
        {
            var tag = new Reference("docker.io", $"library/image-{i / 10}", $"v{i}");
            var digest = IndexLookup.DigestOf(i);
            await index.SetTagAsync(tag, new TagRecord(digest, MediaType, i, DateTimeOffset.UnixEpoch), cancel);
        });
        watch.Print("tags");

        await index.CheckpointAsync(default);
        watch.Print("checkpoint");

        for (var i = 0; i < blobs; i++) index.Touch(IndexLookup.DigestOf(i), DateTimeOffset.UnixEpoch.AddDays(1));
        watch.Print("touching all");
        await index.CheckpointAsync(default);
        watch.Print("checkpoint after touching all");
    }

    /// <summary>Time and processor time since it was last asked.</summary>
    private sealed class Meter : IDisposable
    {
        private readonly Process _process = Process.GetCurrentProcess();
        private readonly Stopwatch _watch = Stopwatch.StartNew();
        private TimeSpan _used;

        public Meter() => _used = _process.TotalProcessorTime;

        public void Print(string what)
        {
            _process.Refresh();
            var used = _process.TotalProcessorTime;
            Console.WriteLine($"{what}: {_watch.Elapsed.TotalSeconds:0.00} s, {(used - _used).TotalSeconds:0.00} s of processor, process {_process.WorkingSet64 / 1e6:0} MB");
            _used = used;
            _watch.Restart();
        }

        public void Dispose() => _process.Dispose();
    }
}
