using System.Security.Cryptography;
using CsCheck;
using Entrepot.Oci;

namespace Entrepot.Tests.Oci;

public sealed class DigestTests
{
    private const string Empty256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    private static readonly string Empty512 = Convert.ToHexStringLower(SHA512.HashData([]));

    [Fact]
    public void Of_NoBytes_IsTheKnownHash()
    {
        Assert.Equal("sha256:" + Empty256, Digest.Of([]).ToString());
        Assert.Equal(("sha256", Empty256), (Digest.Of([]).Algorithm, Digest.Of([]).Hex));
    }

    [Fact]
    public void TryParse_Sha512_IsADigest()
    {
        Assert.True(Digest.TryParse("sha512:" + Empty512, out var digest));
        Assert.Equal(("sha512", Empty512), (digest.Algorithm, digest.Hex));
        Assert.True(digest.Matches([]));
        Assert.False(digest.Matches([0]));
    }

    [Fact]
    public void TryParse_AnyHash_ComesBackAsItWas() => Gen.Byte.Array[32].Sample(hash =>
    {
        var digest = Digest.FromHash(hash);
        Assert.Equal("sha256:" + Convert.ToHexStringLower(hash), digest.ToString());
        Assert.Equal(digest, Digest.Parse(digest.ToString()));
        Assert.Equal(digest.GetHashCode(), Digest.Parse(digest.ToString()).GetHashCode());
    });

    [Theory]
    [InlineData("")]
    [InlineData("sha256")]
    [InlineData("sha256:")]
    [InlineData(Empty256)]
    [InlineData("SHA256:" + Empty256)]
    [InlineData("sha384:" + Empty256)]
    [InlineData("md5:d41d8cd98f00b204e9800998ecf8427e")]
    [InlineData("sha512:" + Empty256)]
    [InlineData("sha256:" + Empty256 + "0")]
    [InlineData("sha256: " + Empty256)]
    [InlineData("sha256:E3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")]
    [InlineData("sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b85g")]
    [InlineData("sha256:../../../../../../../../../../../../../../../../../../../../../x")]
    public void TryParse_NoDigest_IsRefused(string text)
    {
        Assert.False(Digest.TryParse(text, out var digest));
        Assert.Equal(default, digest);
        Assert.Throws<FormatException>(() => Digest.Parse(text));
    }

    [Fact]
    public void Equals_OneDigitDiffersOrTheAlgorithm_IsAnother()
    {
        var hash = SHA512.HashData("x"u8);
        for (var i = 0; i < hash.Length; i++)
        {
            var other = (byte[])hash.Clone();
            other[i] ^= 1;
            Assert.NotEqual(Digest.FromHash(hash), Digest.FromHash(other));
        }

        Assert.NotEqual(Digest.FromHash(hash.AsSpan(0, 32)), Digest.FromHash(hash));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(31)]
    [InlineData(48)]
    [InlineData(65)]
    public void FromHash_OtherLengths_AreRefused(int length) => Assert.Throws<ArgumentException>(() => Digest.FromHash(new byte[length]));

    [Fact]
    public void NewHash_FedWithTheBytes_AgreesWithTheDigest()
    {
        foreach (var digest in (Digest[])[Digest.Of("content"u8), Digest.FromHash(SHA512.HashData("content"u8))])
        {
            using var hash = digest.NewHash();
            hash.AppendData("con"u8);
            hash.AppendData("tent"u8);
            Assert.Equal(digest, Digest.FromHash(hash.GetHashAndReset()));
        }
    }
}
