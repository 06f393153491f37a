using System.Diagnostics;
using Entrepot.Oci;
using Entrepot.Pull;
using Entrepot.Storage;

namespace Entrepot.Bench;

/// <summary>How do the index's times and memory grow with the number of blobs? One blob in ten is a manifest, with a tag.</summary>
internal static class IndexScale
{
    private const string MediaType = "application/vnd.oci.image.manifest.v1+json";

    public static async Task RunAsync(int blobs)
    {
        var path = Directory.CreateTempSubdirectory("entrepot-bench-").FullName;
        Print("before", TimeSpan.Zero);
        using (var root = StoreRoot.Open(path))
        {
            await FillAsync(root, blobs);
        }

        GC.Collect();
        using (var root = StoreRoot.Open(path))
        {
            var watch = Stopwatch.StartNew();
            await using var index = new FasterCacheIndex(root, TimeSpan.FromHours(1), TimeProvider.System, fault => throw fault);
            Print($"recover {index.Warning}", watch.Elapsed);
            watch.Restart();
            var count = index.Blobs().Count();
            Print($"scan of {count:N0}", watch.Elapsed);
        }

        var bytes = new DirectoryInfo(Path.Combine(path, "index")).EnumerateFiles().Sum(file => file.Length);
        var log = new FileInfo(Path.Combine(path, "records", "log")).Length;
        Console.WriteLine($"index/ {bytes / 1e6:0.0} MB, records/ {log / 1e6:0.0} MB");
        Directory.Delete(path, recursive: true);
    }

    private static async Task FillAsync(StoreRoot root, int blobs)
    {
        var watch = Stopwatch.StartNew();
        await using var index = new FasterCacheIndex(root, TimeSpan.FromHours(1), TimeProvider.System, fault => throw fault);
        for (var i = 0; i < blobs; i++) index.AddBlob(IndexLookup.DigestOf(i), new BlobRecord(i, DateTimeOffset.UnixEpoch));
        Print("insert of blobs", watch.Elapsed);

        watch.Restart();
        await Parallel.ForAsync(0, blobs / 10, new ParallelOptions { MaxDegreeOfParallelism = 64 }, async (i, cancel) =>
        {
            var tag = new Reference("docker.io", $"library/image-{i / 10}", $"v{i}");
            var digest = IndexLookup.DigestOf(i);
            await index.AddManifestAsync(tag.At(digest), MediaType, cancel);
            await index.SetTagAsync(tag, new TagRecord(digest, MediaType, i, DateTimeOffset.UnixEpoch), cancel);
        });
        Print("manifests and tags", watch.Elapsed);

        watch.Restart();
        await index.CheckpointAsync(default);
        Print("checkpoint", watch.Elapsed);

        for (var i = 0; i < blobs; i++) index.Touch(IndexLookup.DigestOf(i), DateTimeOffset.UnixEpoch.AddDays(1));
        watch.Restart();
        await index.CheckpointAsync(default);
        Print("checkpoint after touching all", watch.Elapsed);
    }

    private static void Print(string what, TimeSpan time)
    {
        using var process = Process.GetCurrentProcess();
        Console.WriteLine($"{what}: {time.TotalSeconds:0.00} s, process {process.WorkingSet64 / 1e6:0} MB");
    }
}
