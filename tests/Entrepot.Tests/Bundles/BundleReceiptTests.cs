using System.Text;
using Entrepot.Bundles;

namespace Entrepot.Tests.Bundles;

public sealed class BundleReceiptTests
{
    private static readonly BundleReceipt Receipt = BundleReceipt.Of(
        SampleBundle.Contents(), [new("site.001.tar", 4096, SampleBundle.Name("one")), new("site.002.tar", 512, SampleBundle.Name("two"))]);

    [Fact]
    public void Read_WhatWasWritten_IsTheSame()
    {
        var read = BundleReceipt.Read(Receipt.ToJson(), out var problems);

        Assert.Empty(problems);
        Assert.Equal(Receipt.ToJson(), read!.ToJson());
        Assert.True(read.IsOf(SampleBundle.Contents()));
        Assert.True(read.IsOf(SampleBundle.Contents() with { Part = new BundlePart(2, 2) }));
        Assert.False(read.IsOf(SampleBundle.Contents() with { Since = [] }));
    }

    [Theory]
    [InlineData("site.001.tar", "../site.tar", "parts[0].name: a file's name")]
    [InlineData("site.001.tar", "..", "parts[0].name: a file's name")]
    [InlineData("\"size\":70000", "\"size\":70001", "contents and index are not the digests of what the receipt lists")]
    [InlineData("ghcr.io/org/app:1", "ghcr.io/org/app:2", "contents and index are not the digests of what the receipt lists")]
    [InlineData("\"version\":1", "\"version\":3", "version: 3 is newer than this program")]
    public void Read_ChangedReceipt_IsRefused(string right, string wrong, string problem)
    {
        var json = Encoding.UTF8.GetString(Receipt.ToJson()).Replace(right, wrong, StringComparison.Ordinal);

        Assert.Null(BundleReceipt.Read(Encoding.UTF8.GetBytes(json), out var problems));
        Assert.StartsWith(problem, Assert.Single(problems), StringComparison.Ordinal);
    }

    [Fact]
    public void Read_NoFiles_IsRefused()
    {
        Assert.Null(BundleReceipt.Read((Receipt with { Parts = [] }).ToJson(), out var problems));
        Assert.StartsWith("parts: is empty", Assert.Single(problems), StringComparison.Ordinal);
    }
}
