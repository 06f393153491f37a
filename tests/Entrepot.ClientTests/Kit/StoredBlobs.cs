using System.Security.Cryptography;
using System.Text.RegularExpressions;

namespace Entrepot.ClientTests.Kit;

/// <summary>What lies in a store's blob folder while no process uses it.</summary>
internal static partial class StoredBlobs
{
    private const string Extents = ".extents";
    private const long Block = 4096;
    private const int BlobFolders = 3 + 256;   // those that the next blobs will need count from the start

    /// <summary>Hashes every file.</summary>
    /// <returns>The digests of the files, all of which have the right name.</returns>
    public static IReadOnlySet<string> Verify(string folder)
    {
        var digests = new HashSet<string>();
        foreach (var path in Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories))
        {
            var name = Path.GetRelativePath(folder, path);
            var match = BlobName().Match(name);
            Assert.True(match.Success, $"{name} is not the name of a blob");

            using var file = File.OpenRead(path);
            Assert.True(match.Groups["hex"].Value == Convert.ToHexStringLower(SHA256.HashData(file)), $"{name} holds other bytes, {file.Length} of them");
            digests.Add("sha256:" + match.Groups["hex"].Value);
        }

        return digests;
    }

    /// <summary>Asserts that nothing is left that only work in progress makes: parts of blobs that cannot be gone on with, and what was to replace another file.</summary>
    /// <param name="root">The store of a program that has ended in order.</param>
    public static void AssertNothingTemporary(string root)
    {
        var names = Directory.EnumerateFiles(Path.Combine(root, "partial")).Select(path => Path.GetFileName(path)).ToHashSet();
        Assert.All(names, name => Assert.Contains(name.EndsWith(Extents, StringComparison.Ordinal) ? name[..^Extents.Length] : name + Extents, names));
        Assert.Empty(Directory.EnumerateFiles(root, "*.new", SearchOption.AllDirectories));
    }

    /// <summary>What lies under a root that nothing is written to, by the rules that the quota counts by: blobs, and their bytes with those of index, records and directories.</summary>
    public static (long Blobs, long Bytes) Count(string root)
    {
        var blobs = new DirectoryInfo(Path.Combine(root, "blobs"));
        var files = blobs.EnumerateFiles("*", SearchOption.AllDirectories).ToList();
        var folders = Math.Max(blobs.EnumerateDirectories("*", SearchOption.AllDirectories).Count(), BlobFolders);
        var others = new[] { "index", "records" }.SelectMany(folder => new DirectoryInfo(Path.Combine(root, folder)).EnumerateFiles("*", SearchOption.AllDirectories));
        return (files.Count, files.Concat(others).Sum(file => (file.Length + Block - 1) / Block * Block) + (folders * Block));
    }

    [GeneratedRegex("^sha256/(?<two>[0-9a-f]{2})/(?<hex>\\k<two>[0-9a-f]{62})$")]
    private static partial Regex BlobName();
}
