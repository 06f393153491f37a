using System.Text;
using Entrepot.Oci;
using Entrepot.Warm;

namespace Entrepot.Tests.Warm;

public sealed class PlatformTests
{
    private static readonly Digest Amd = Digest.Of("amd"u8), Arm = Digest.Of("arm"u8), OfAmd = Digest.Of("of amd"u8), OfArm = Digest.Of("of arm"u8);

    [Theory]
    [InlineData("linux/amd64", "linux", "amd64", "", true)]
    [InlineData("linux/amd64", "linux", "amd64", "v3", true)]
    [InlineData("linux/amd64", "linux", "arm64", "", false)]
    [InlineData("linux/amd64", "windows", "amd64", "", false)]
    [InlineData("Linux/x86_64", "linux", "amd64", "", true)]
    [InlineData("linux/arm64/v8", "linux", "arm64", "", true)]
    [InlineData("linux/arm64", "linux", "arm64", "v8", true)]
    [InlineData("linux/arm/v6", "linux", "arm", "v7", false)]
    [InlineData("linux/arm/v7", "linux", "arm", "", true)]
    [InlineData("linux/arm", "linux", "arm", "v6", true)]
    public void Includes_AnyPlatform_IsAsEnginesHaveIt(string wanted, string os, string architecture, string variant, bool expected)
    {
        Assert.True(Platform.TryParse(wanted, out var platform));
        Assert.Equal(expected, platform.Includes(new Platform(os, architecture, variant)));
    }

    [Theory]
    [InlineData("")]
    [InlineData("amd64")]
    [InlineData("linux/")]
    [InlineData("linux/amd64/v1/x")]
    [InlineData("linux/amd 64")]
    public void TryParse_SomethingElse_IsRefused(string text) => Assert.False(Platform.TryParse(text, out _));

    [Theory]
    [InlineData("linux/amd64", "amd,of amd")]
    [InlineData("linux/arm64", "arm,of arm")]
    [InlineData("linux/arm64,linux/amd64", "amd,arm,of amd,of arm")]
    [InlineData("linux/s390x", "")]
    [InlineData("", "amd,arm,of amd,of arm")]
    public void Keep_SomePlatforms_KeepsTheirAttestationsWithThem(string platforms, string expected)
    {
        var names = new Dictionary<Digest, string> { [Amd] = "amd", [Arm] = "arm", [OfAmd] = "of amd", [OfArm] = "of arm" };

        var kept = PlatformFilter.Keep(Index(Entry(Amd, "amd64"), Entry(Arm, "arm64"), Attestation(OfAmd, Amd), Attestation(OfArm, Arm)), Parse(platforms));

        Assert.Equal(expected, string.Join(',', kept.Select(child => names[child.Digest])));
    }

    [Fact]
    public void Keep_TheOnlyPlatformThereIs_IsKeptWhateverIsWanted()
    {
        var kept = PlatformFilter.Keep(Index(Entry(Amd, "amd64"), Attestation(OfAmd, Amd)), Parse("linux/s390x"));

        Assert.Equal([Amd, OfAmd], kept.Select(child => child.Digest));
    }

    [Fact]
    public void Merge_TheSameImageTwice_IsThereOnceWithAllPlatforms()
    {
        var (one, other) = (new Reference("docker.io", "library/a", "1"), new Reference("docker.io", "library/b", "1"));

        var merged = WarmImage.Merge([new(one, Parse("linux/amd64")), new(other, Parse("linux/amd64")), new(one, Parse("linux/arm64,linux/amd64")), new(other, [])]);

        Assert.Equal([one, other], merged.Select(image => image.Reference));
        Assert.Equal([2, 0], merged.Select(image => image.Platforms.Count));
    }

    private static List<Platform> Parse(string platforms) => [.. platforms.Split(',', StringSplitOptions.RemoveEmptyEntries).Select(text =>
    {
        Assert.True(Platform.TryParse(text, out var platform));
        return platform;
    })];

    private static Manifest Index(params string[] entries) => Manifest.TryParse(Encoding.UTF8.GetBytes($"{{\"manifests\":[{string.Join(',', entries)}]}}"))!;

    private static string Entry(Digest digest, string architecture) =>
        $"{{\"digest\":\"{digest}\",\"size\":1,\"platform\":{{\"os\":\"linux\",\"architecture\":\"{architecture}\"}}}}";

    private static string Attestation(Digest digest, Digest subject) =>
        $"{{\"digest\":\"{digest}\",\"size\":1,\"platform\":{{\"os\":\"unknown\",\"architecture\":\"unknown\"}},\"annotations\":{{\"vnd.docker.reference.digest\":\"{subject}\"}}}}";
}
