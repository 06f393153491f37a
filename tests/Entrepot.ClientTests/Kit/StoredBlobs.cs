using System.Security.Cryptography;
using System.Text.RegularExpressions;

namespace Entrepot.ClientTests.Kit;

/// <summary>What lies in a store's blob folder while no process uses it.</summary>
internal static partial class StoredBlobs
{
    private const string Extents = ".extents";

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

    [GeneratedRegex("^sha256/(?<two>[0-9a-f]{2})/(?<hex>\\k<two>[0-9a-f]{62})$")]
    private static partial Regex BlobName();
}
