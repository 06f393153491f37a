using Entrepot.Bundles;
using Entrepot.Oci;

namespace Entrepot.Tests.Bundles;

public sealed class BundleNamesTests
{
    private static readonly Digest Some = Digest.Of("some"u8);

    [Theory]
    [InlineData("site.tar", "site.001.tar", "site.receipt.json")]
    [InlineData("/mnt/stick/site.tar", "/mnt/stick/site.001.tar", "/mnt/stick/site.receipt.json")]
    [InlineData("site", "site.001.tar", "site.receipt.json")]
    [InlineData("v1.2.tar", "v1.2.001.tar", "v1.2.receipt.json")]
    [InlineData(".tar", ".tar.001.tar", ".tar.receipt.json")]
    public void Files_OfAnArchive_AreBesideIt(string archive, string first, string receipt)
    {
        Assert.Equal(first, BundleNames.PartFile(archive, 1));
        Assert.Equal(receipt, BundleNames.ReceiptFile(archive));
    }

    [Fact]
    public void TryParseMember_WhatMemberSays_IsThatBlob()
    {
        var large = Digest.FromHash(new byte[64]);

        Assert.True(BundleNames.TryParseMember(BundleNames.Member(Some), out var digest, out var piece));
        Assert.Equal((Some, null), (digest, piece));
        Assert.True(BundleNames.TryParseMember(BundleNames.Member(large, 42), out digest, out piece));
        Assert.Equal((large, 42), (digest, piece));
        Assert.EndsWith(".042", BundleNames.Member(large, 42), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("index.json")]
    [InlineData("blobs/")]
    [InlineData("blobs/sha256")]
    [InlineData("blobs/sha256/../x")]
    [InlineData("/blobs/sha256/{0}")]
    [InlineData("./blobs/sha256/{0}")]
    [InlineData("blobs/sha256/{0}.1")]
    [InlineData("blobs/sha256/{0}.-01")]
    [InlineData("blobs/sha256/{0}.0000")]
    [InlineData("blobs/sha512/{0}")]
    public void TryParseMember_AnythingElse_IsNoBlob(string member) =>
        Assert.False(BundleNames.TryParseMember(string.Format(null, member, Some.Hex), out _, out _));
}
