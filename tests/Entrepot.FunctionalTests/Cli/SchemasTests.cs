using Xunit.Sdk;

namespace Entrepot.FunctionalTests.Cli;

/// <summary>The schemas refuse what they should; that they accept what the program prints is shown command by command.</summary>
public sealed class SchemasTests
{
    private const string Digest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    [Theory]
    [InlineData("outcome", """{"reference":"docker.io/library/a:1","outcome":"pinned","bytes":1}""")]
    [InlineData("outcome", $$"""{"reference":"docker.io/library/a:1","outcome":"moved","digest":"{{Digest}}","previous":"{{Digest}}"}""")]
    [InlineData("verify", """{"blobs":0,"totalBlobs":0,"bytes":0,"totalBytes":0,"unreadable":0,"wrong":[],"done":true}""")]
    [InlineData("images", """{"images":[]}""")]
    [InlineData("images", $$"""
        {"images":[{"upstream":"a","repository":"b","tags":["1"],"digest":"{{Digest}}","mediaType":"m","size":0,"complete":true,"pinned":false,
        "set":null,"lastPull":"2026-01-02T03:04:05.678+00:00","blobs":["{{Digest}}"]}]}
        """)]
    [InlineData("error", """{"error":"no"}""")]
    public Task CheckAsync_Right_IsAccepted(string schema, string json) => Schemas.CheckAsync(schema, json);

    [Theory]
    [InlineData("outcome", """{"reference":"docker.io/library/a:1"}""")]
    [InlineData("outcome", """{"reference":"docker.io/library/a:1","outcome":"lost"}""")]
    [InlineData("outcome", """{"reference":"docker.io/library/a:1","outcome":"pinned","more":1}""")]
    [InlineData("outcome", """{"reference":"docker.io/library/a:1","outcome":"pinned","digest":"sha256:1"}""")]
    [InlineData("verify", """{"blobs":-1,"totalBlobs":0,"bytes":0,"totalBytes":0,"unreadable":0,"wrong":[],"done":true}""")]
    [InlineData("verify", """{"blobs":0,"totalBlobs":0,"bytes":0,"totalBytes":0,"unreadable":0,"wrong":["x"],"done":true}""")]
    [InlineData("images", """{"images":[{"upstream":"a"}]}""")]
    [InlineData("images", $$"""
        {"images":[{"upstream":"a","repository":"b","tags":["1"],"digest":"{{Digest}}","mediaType":"m","size":0,"complete":true,"pinned":false,
        "lastPull":null,"blobs":["{{Digest}}"]}]}
        """)]
    [InlineData("status", "{}")]
    [InlineData("config", """{"file":1,"options":[],"problems":[],"warnings":[]}""")]
    [InlineData("error", """{"error":""}""")]
    public Task CheckAsync_Wrong_IsRefused(string schema, string json) => Assert.ThrowsAsync<TrueException>(() => Schemas.CheckAsync(schema, json));
}
