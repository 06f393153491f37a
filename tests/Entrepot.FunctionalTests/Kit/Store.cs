using Entrepot.Oci;

namespace Entrepot.FunctionalTests.Kit;

/// <summary>A store as it lies on disk, seen from outside.</summary>
internal sealed class Store(string root)
{
    public string FormatFile => Path.Combine(root, "format");

    public string PathOf(Digest digest) => Path.Combine(root, "blobs", digest.Algorithm, digest.Hex[..2], digest.Hex);

    public bool Has(Digest digest) => File.Exists(PathOf(digest));

    /// <summary>What is under <c>blobs/</c>, after checking that every file there has the bytes that its name says.</summary>
    public IReadOnlyList<Digest> Checked()
    {
        var blobs = new DirectoryInfo(Path.Combine(root, "blobs"));
        if (!blobs.Exists) return [];

        var found = new List<Digest>();
        foreach (var file in blobs.EnumerateFiles("*", SearchOption.AllDirectories))
        {
            var digest = Digest.Parse($"{file.Directory!.Parent!.Name}:{file.Name}");
            Assert.Equal(PathOf(digest), file.FullName);
            Assert.True(digest.Matches(File.ReadAllBytes(file.FullName)), $"the bytes of {file.FullName} are wrong");
            found.Add(digest);
        }

        return found;
    }

    /// <summary>Puts a file under a name, as a fault of the disk or a person would.</summary>
    public void Plant(Digest digest, byte[] bytes)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(PathOf(digest))!);
        File.Delete(PathOf(digest));
        File.WriteAllBytes(PathOf(digest), bytes);
    }
}
