using Entrepot.Oci;
using Entrepot.Storage;

namespace Entrepot.Tests.Storage;

public sealed class StoreRootTests : IDisposable
{
    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("entrepot-root-");

    private string Root => Path.Combine(_directory.FullName, "a", "store");

    public void Dispose() => _directory.Delete(recursive: true);

    [Fact]
    public void Open_NothingThere_MakesTheLayout()
    {
        using var root = StoreRoot.Open(Root);

        Assert.Equal(Root, root.Path);
        foreach (var folder in (string[])["blobs/sha256", "blobs/sha512", "partial", "records"]) Assert.True(Directory.Exists(Path.Combine(Root, folder)), folder);
        Assert.Equal("1\n", File.ReadAllText(Path.Combine(Root, "format")));
        Assert.Empty(root.Blobs());
    }

    [Fact]
    public void Open_HeldByAnother_SaysSo()
    {
        using (StoreRoot.Open(Root))
        {
            var refused = Assert.Throws<StoreUnusableException>(() => StoreRoot.Open(Root));
            Assert.Contains(Root, refused.Message, StringComparison.Ordinal);
            Assert.Contains("in use by another process", refused.Message, StringComparison.Ordinal);
        }

        StoreRoot.Open(Root).Dispose();
    }

    [Fact]
    public void Open_LockCannotBeOpened_IsNotToldAsInUse()
    {
        Directory.CreateDirectory(Root);
        File.CreateSymbolicLink(Path.Combine(Root, "lock"), "lock");   // a link to itself

        var refused = Assert.Throws<StoreUnusableException>(() => StoreRoot.Open(Root));

        Assert.DoesNotContain("in use", refused.Message, StringComparison.Ordinal);
        Assert.Contains(Root, refused.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("2\n", "layout 2")]
    [InlineData("999999", "layout 999999")]
    [InlineData("one", "'one'")]
    [InlineData("-1", "'-1'")]
    public void Open_FormatIsNotOurs_IsRefusedAndReleased(string format, string said)
    {
        Directory.CreateDirectory(Root);
        File.WriteAllText(Path.Combine(Root, "format"), format);

        Assert.Contains(said, Assert.Throws<StoreUnusableException>(() => StoreRoot.Open(Root)).Message, StringComparison.Ordinal);

        Assert.Equal(format, File.ReadAllText(Path.Combine(Root, "format")));
        File.WriteAllText(Path.Combine(Root, "format"), "1\n");
        StoreRoot.Open(Root).Dispose();
    }

    [Fact]
    public void Open_FormatIsEmpty_WasTornByACrashAndIsWritten()
    {
        Directory.CreateDirectory(Root);
        File.WriteAllText(Path.Combine(Root, "format"), "");

        StoreRoot.Open(Root).Dispose();

        Assert.Equal("1\n", File.ReadAllText(Path.Combine(Root, "format")));
    }

    [Theory]
    [InlineData("")]
    [InlineData("blobs")]
    [InlineData("partial")]
    public void Open_FileWhereAFolderShouldBe_IsRefusedByName(string name)
    {
        var file = Path.Combine(Root, name).TrimEnd('/');
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        File.WriteAllText(file, "in the way");

        Assert.Contains(Root, Assert.Throws<StoreUnusableException>(() => StoreRoot.Open(Root)).Message, StringComparison.Ordinal);
        Assert.Equal("in the way", File.ReadAllText(file));
    }

    [Fact]
    public void Open_LeftoversOfACrash_AreRemovedAndForeignFilesAreNot()
    {
        StoreRoot.Open(Root).Dispose();
        var hex = Digest.Of("half"u8).Hex;
        var (partial, staging) = (Path.Combine(Root, "partial"), Path.Combine(Root, "staging"));
        foreach (var name in (string[])[hex, hex + ".2", hex + hex, "notes.txt", "abc"]) File.WriteAllText(Path.Combine(partial, name), "half");
        foreach (var name in (string[])[hex, hex + ".2", "notes.txt"]) File.WriteAllText(Path.Combine(staging, name), "half");

        using var root = StoreRoot.Open(Root);

        Assert.Equal(["abc", "notes.txt"], Directory.EnumerateFiles(partial).Select(Path.GetFileName).Order(StringComparer.Ordinal));
        Assert.Equal([hex, "notes.txt"], Directory.EnumerateFiles(staging).Select(Path.GetFileName).Order(StringComparer.Ordinal));   // what has arrived for an import may be gone on with
        Assert.Null(root.Unwritable);
    }
}
