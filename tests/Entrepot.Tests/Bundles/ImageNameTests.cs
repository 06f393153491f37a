using Entrepot.Bundles;

namespace Entrepot.Tests.Bundles;

public sealed class ImageNameTests
{
    private const string Digest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    [Theory]
    [InlineData("alpine", "docker.io/library/alpine:latest")]
    [InlineData("alpine:3.20", "docker.io/library/alpine:3.20")]
    [InlineData("org/app", "docker.io/org/app:latest")]
    [InlineData("docker.io/alpine:1", "docker.io/library/alpine:1")]
    [InlineData("index.docker.io/library/alpine:1", "docker.io/library/alpine:1")]
    [InlineData("ghcr.io/org/app:1.2", "ghcr.io/org/app:1.2")]
    [InlineData("localhost:5000/app:1", "localhost:5000/app:1")]
    [InlineData("ghcr.io/org/app@" + Digest, "ghcr.io/org/app@" + Digest)]
    [InlineData("ghcr.io/org/app:1@" + Digest, "ghcr.io/org/app@" + Digest)]
    [InlineData("", null)]
    [InlineData("Alpine", null)]
    [InlineData("alpine:", null)]
    [InlineData("alpine@sha256:1", null)]
    [InlineData("a//b", null)]
    public void Complete_Reference_IsAsDockerHasIt(string text, string? expected) => Assert.Equal(expected, ImageName.Complete(text));

    [Theory]
    [InlineData("docker.io/library/alpine:1", "1", "org/other", "docker.io/library/alpine:1")]
    [InlineData(null, "ghcr.io/org/app:2", "org/other", "ghcr.io/org/app:2")]
    [InlineData(null, "alpine:2", null, "docker.io/library/alpine:2")]
    [InlineData(null, "3.20", "docker.io/library/alpine", "docker.io/library/alpine:3.20")]
    [InlineData(null, "3.20", "alpine:3", "docker.io/library/alpine:3")]
    [InlineData(null, "3.20", null, null)]
    [InlineData(null, null, "alpine", "docker.io/library/alpine:latest")]
    [InlineData(null, null, null, null)]
    [InlineData("no reference:", "3.20", "alpine", "docker.io/library/alpine:3.20")]
    public void Of_WhatAnArchiveSays_ComesFirst(string? name, string? refName, string? given, string? expected) => Assert.Equal(expected, ImageName.Of(name, refName, given));

    [Theory]
    [InlineData("docker.io/library/alpine:3.20", "docker.io/library/alpine@" + Digest)]
    [InlineData("localhost:5000/app:1", "localhost:5000/app@" + Digest)]
    [InlineData("ghcr.io/org/app@" + Digest, "ghcr.io/org/app@" + Digest)]
    public void At_Digest_IsInTheSameRepository(string reference, string expected) => Assert.Equal(expected, ImageName.At(reference, Entrepot.Oci.Digest.Parse(Digest)));
}
