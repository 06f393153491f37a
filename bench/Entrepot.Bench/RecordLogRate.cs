using System.Diagnostics;
using Entrepot.Oci;
using Entrepot.Pull;
using Entrepot.Storage;

namespace Entrepot.Bench;

/// <summary>How many tags a second can be remembered durably? 5,000 a minute are wanted.</summary>
internal static class RecordLogRate
{
    private static readonly TimeSpan Each = TimeSpan.FromSeconds(5);

    public static async Task RunAsync()
    {
        foreach (var writers in (int[])[1, 32])
        {
            var path = Directory.CreateTempSubdirectory("entrepot-bench-").FullName;
            using (var root = StoreRoot.Open(path))
            {
                await using var index = new FasterCacheIndex(root, TimeSpan.FromHours(1), TimeProvider.System, fault => throw fault);
                var watch = Stopwatch.StartNew();
                var counts = await Task.WhenAll(Enumerable.Range(0, writers).Select(writer => Task.Run(() => WriteAsync(index, writer, watch))));
                Console.WriteLine($"{writers} writers: {counts.Sum() / watch.Elapsed.TotalSeconds:N0} tags a second, each durable");
            }

            Directory.Delete(path, recursive: true);
        }
    }

    private static async Task<int> WriteAsync(FasterCacheIndex index, int writer, Stopwatch watch)
    {
        var count = 0;
        for (; watch.Elapsed < Each; count++)
        {
            var tag = new Reference("docker.io", $"library/image-{writer}", $"v{count % 100}");
            await index.SetTagAsync(tag, new TagRecord(IndexLookup.DigestOf(count), "application/vnd.oci.image.index.v1+json", count, DateTimeOffset.UnixEpoch), default);
        }

        return count;
    }
}
