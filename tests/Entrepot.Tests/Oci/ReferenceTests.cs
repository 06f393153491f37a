using Entrepot.Oci;

namespace Entrepot.Tests.Oci;

public sealed class ReferenceTests
{
    [Theory]
    [InlineData("docker.io/library/alpine:3.20")]
    [InlineData("localhost:5000/a/b/c:v1")]
    [InlineData("ghcr.io/org/app@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")]
    public void TryParse_FullForm_IsWhatToStringSays(string text)
    {
        Assert.True(Reference.TryParse(text, out var reference));
        Assert.Equal(text, reference.ToString());
    }

    [Theory]
    [InlineData("")]
    [InlineData("alpine")]
    [InlineData("/library/alpine:1")]
    [InlineData("docker.io/library/alpine")]
    [InlineData("docker.io/library/alpine:")]
    [InlineData("docker.io/Library/alpine:1")]
    [InlineData("docker io/library/alpine:1")]
    [InlineData("ghcr.io/org/app:1@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")]
    [InlineData("ghcr.io/org/app@sha256:e3b0")]
    public void TryParse_AnythingElse_IsRefused(string text) => Assert.False(Reference.TryParse(text, out _));
}
