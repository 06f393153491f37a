using CsCheck;
using Entrepot.Bundles;

namespace Entrepot.Tests.Bundles;

public sealed class MemberNameTests
{
    [Theory]
    [InlineData("index.json", "index.json")]
    [InlineData("./index.json", "index.json")]
    [InlineData("./blobs//sha256/./a", "blobs/sha256/a")]
    [InlineData("blobs/", "blobs")]
    [InlineData("", null)]
    [InlineData(".", null)]
    [InlineData("/index.json", null)]
    [InlineData("../index.json", null)]
    [InlineData("blobs/../index.json", null)]
    [InlineData("a\0b", null)]
    [InlineData("a\\..\\b", "a\\..\\b")]   // a name as any other where slashes part names
    public void Normalise_Name_HasOneSpellingOrNone(string name, string? expected) => Assert.Equal(expected, MemberName.Normalise(name));

    [Theory]
    [InlineData("c", "../a/layer.tar", "a/layer.tar")]
    [InlineData("", "a/layer.tar", "a/layer.tar")]
    [InlineData("c/d", "../../a", "a")]
    [InlineData("c", "../../a", null)]
    [InlineData("c", "/etc/passwd", null)]
    [InlineData("c", "..", null)]
    public void Resolve_Target_StaysInside(string folder, string target, string? expected) => Assert.Equal(expected, MemberName.Resolve(folder, target));

    [Fact]
    public void Normalise_TooLong_IsNone() => Assert.Null(MemberName.Normalise(new string('a', MemberName.MaxLength + 1)));

    [Fact]
    public void AnyName_LeadsNowhereElse()
    {
        string[] parts = ["..", ".", "", "a", "blobs", "...", "..a", "\0", "é", " "];
        var part = Gen.Int[0, parts.Length - 1].Select(i => parts[i]);
        var name = Gen.Select(part.Array[0, 8], Gen.Bool, (names, absolute) => (absolute ? "/" : "") + string.Join('/', names));
        Gen.Select(name, name).Sample((one, other) =>
        {
            foreach (var found in new[] { MemberName.Normalise(one), MemberName.Resolve(MemberName.Normalise(other) ?? "", one) })
            {
                if (found is null) continue;
                Assert.StartsWith("/root/archive/", Path.GetFullPath(Path.Combine("/root/archive", found)), StringComparison.Ordinal);
                Assert.Equal(found, MemberName.Normalise(found));
            }
        });
    }
}
