using System.Text.RegularExpressions;
using CsCheck;
using Entrepot.Oci;

namespace Entrepot.Tests.Oci;

public sealed class ReferencePatternTests
{
    private const string Sha = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

    private static readonly UpstreamRoutes Routes = new([("docker.io", []), ("ghcr.io", ["mirror.example"]), ("localhost:5000", [])], "docker.io");

    [Theory]
    [InlineData("alpine", "docker.io/library/alpine:latest")]
    [InlineData("alpine:3.20", "docker.io/library/alpine:3.20")]
    [InlineData("org/app", "docker.io/org/app:latest")]
    [InlineData("docker.io/alpine", "docker.io/library/alpine:latest")]
    [InlineData("index.docker.io/library/alpine", "docker.io/library/alpine:latest")]
    [InlineData("docker.io/library/alpine:3.20", "docker.io/library/alpine:3.20")]
    [InlineData("ghcr.io/app:v1", "ghcr.io/app:v1")]
    [InlineData("GHCR.io/org/app:v1", "ghcr.io/org/app:v1")]
    [InlineData("localhost:5000/org/app", "localhost:5000/org/app:latest")]
    [InlineData("localhost:5000/org/app:v1", "localhost:5000/org/app:v1")]
    [InlineData("alpine@" + Sha, "docker.io/library/alpine@" + Sha)]
    [InlineData("alpine:3.20@" + Sha, "docker.io/library/alpine@" + Sha)]
    public void Parse_Reference_IsCompletedAsDockerDoes(string text, string full)
    {
        Assert.Null(ReferencePattern.Parse(text, Routes, [], out var pattern));

        Assert.Equal((full, full), (pattern.Text, pattern.Exact.ToString()));
        Assert.True(pattern.Matches(pattern.Exact!.Value));
    }

    [Theory]
    [InlineData("", 400, "1 to 1024")]
    [InlineData("a b", 400, "no space")]
    [InlineData("älpine", 400, "printable")]
    [InlineData("Alpine", 400, "'Alpine' is not a repository")]
    [InlineData("alpine:", 400, "'' is not a tag")]
    [InlineData("alpine:-x", 400, "'-x' is not a tag")]
    [InlineData("alpine@sha256:12", 400, "'sha256:12' is not a digest")]
    [InlineData("ghcr.io/", 400, "'' is not a repository")]
    [InlineData("quay.io/org/app", 404, "no upstream is called 'quay.io'; configured are: docker.io, ghcr.io, localhost:5000")]
    [InlineData("mirror.example/app", 404, "no upstream is called 'mirror.example'")]
    [InlineData("localhost/app", 404, "no upstream is called 'localhost'")]
    public void Parse_WhatMeansNothing_SaysWhatIsWrong(string text, int status, string why)
    {
        var objection = ReferencePattern.Parse(text, Routes, [], out _);

        Assert.NotNull(objection);
        Assert.Equal(status, objection.Status);
        Assert.Contains(why, objection.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("docker.io/library/*", "docker.io/library/alpine:3.20", true)]
    [InlineData("docker.io/library/*", "docker.io/library/alpine@" + Sha, true)]
    [InlineData("docker.io/library/*", "docker.io/org/alpine:3.20", false)]
    [InlineData("ghcr.io/*:v1*", "ghcr.io/org/app:v1.2", true)]
    [InlineData("ghcr.io/*:v1*", "ghcr.io/org/app:v2", false)]
    [InlineData("*:a*", "docker.io/org/app@" + Sha, false)]
    [InlineData("*@sha256:a*", "docker.io/org/app@" + Sha, true)]
    [InlineData("*@*", "docker.io/org/app:v1", false)]
    [InlineData("localhost:5000/*", "localhost:5000/org/app@" + Sha, true)]
    [InlineData("*", "docker.io/org/app:v1", true)]
    [InlineData("alpine*", "docker.io/library/alpine:3.20", false)]
    public void Matches_Pattern_IsOverTheFullForm(string text, string name, bool matches)
    {
        Assert.Null(ReferencePattern.Parse(text, Routes, [], out var pattern));
        Assert.Null(ReferencePattern.Parse(name, Routes, [], out var reference));

        Assert.Null(pattern.Exact);
        Assert.Equal(matches, pattern.Matches(reference.Exact!.Value));
    }

    [Theory]
    [InlineData("old.example.com/team/app:1", "old.example.com/team/app:1")]
    [InlineData("Old.Example.com/team/app", "old.example.com/team/app:latest")]
    [InlineData("attic/app", "attic/app:latest")]
    [InlineData("attic", "docker.io/library/attic:latest")]
    [InlineData("team/app:1", "docker.io/team/app:1")]
    public void Parse_UpstreamThatIsNotConfiguredAnyMore_IsMeant(string text, string full)
    {
        Assert.Null(ReferencePattern.Parse(text, Routes, ["old.example.com", "attic"], out var pattern));

        Assert.Equal(full, pattern.ToString());
    }

    [Fact]
    public void IsLike_AnyTexts_AgreesWithARegularExpression() =>
        Gen.Select(Gen.Char["ab/"].Array[0, 12], Gen.Char["ab/*"].Array[0, 8]).Sample((text, pattern) =>
        {
            var (one, other) = (new string(text), new string(pattern));
            var expected = Regex.IsMatch(one, $"^{Regex.Escape(other).Replace("\\*", ".*", StringComparison.Ordinal)}\\z");
            Assert.Equal(expected, ReferencePattern.IsLike(one, other));
        });
}
