using CsCheck;
using Entrepot.Server.Options;

namespace Entrepot.Tests.Options;

public sealed class NearMissTests
{
    private static readonly string[] Known = ["listen", "admin", "tagTtl", "urls"];

    [Theory]
    [InlineData("listn", "listen")]
    [InlineData("lsiten", "listen")]
    [InlineData("LISTEN", "listen")]
    [InlineData("tagttl", "tagTtl")]
    [InlineData("url", "urls")]
    [InlineData("ad", null)]
    [InlineData("quota", null)]
    [InlineData("", null)]
    public void Find_Word_IsTheNearestWithinTwoEdits(string word, string? expected) => Assert.Equal(expected, NearMiss.Find(word, Known));

    [Fact]
    public void Find_NothingKnown_IsNothing() => Assert.Null(NearMiss.Find("x", []));

    [Fact]
    public void Edits_AnyTwoWords_IsADistance() => Gen.Select(Gen.String[0, 12], Gen.String[0, 12]).Sample((a, b) =>
    {
        Assert.Equal(a == b, NearMiss.Edits(a, b) == 0);
        Assert.Equal(NearMiss.Edits(a, b), NearMiss.Edits(b, a));
        Assert.InRange(NearMiss.Edits(a, b), Math.Abs(a.Length - b.Length), Math.Max(a.Length, b.Length));
    });
}
