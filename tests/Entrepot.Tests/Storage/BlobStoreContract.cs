using System.Security.Cryptography;
using Entrepot.Oci;
using Entrepot.Pull;
using Entrepot.Tests.Kit;

namespace Entrepot.Tests.Storage;

/// <summary>What every <see cref="IBlobStore"/> promises.</summary>
public abstract class BlobStoreContract
{
    protected static readonly byte[] Content = Waiting.Bytes(200_000);

    public static TheoryData<string> Digests => [Digest.Of(Content).ToString(), Digest.FromHash(SHA512.HashData(Content)).ToString()];

    protected abstract IBlobStore Store { get; }

    [Fact]
    public async Task Open_NothingOfThatName_IsAbsent()
    {
        Assert.Null(await Store.OpenAsync(Digest.Of("nothing"u8), default));
        Assert.False(Store.Contains(Digest.Of("nothing"u8)));
    }

    [Theory]
    [MemberData(nameof(Digests))]
    public async Task Commit_RightBytes_MakesThemVisibleAndNotBefore(string name)
    {
        var digest = Digest.Parse(name);
        await using (var partial = await Store.CreateAsync(digest, FillMode.Complete, default))
        {
            await partial.WriteAsync(Content.AsMemory(0, 70_000), 0, default);
            await partial.WriteAsync(Content.AsMemory(70_000), 70_000, default);
            Assert.Equal(Content.Length, partial.Written().Total);
            Assert.True(await partial.VerifyAsync(default));
            Assert.True(await partial.VerifyAsync(default));
            Assert.Null(await Store.OpenAsync(digest, default));
            Assert.False(Store.Contains(digest));

            await partial.CommitAsync(default);
            Assert.Equal(Content, await ContentOfAsync(digest));
        }

        Assert.True(Store.Contains(digest));
        Assert.Equal(Content, await ContentOfAsync(digest));
    }

    [Fact]
    public async Task Commit_WrongBytes_LeavesNothingBehind()
    {
        var digest = Digest.Of("expected"u8);
        await using (var partial = await Store.CreateAsync(digest, FillMode.Complete, default))
        {
            await partial.WriteAsync("tampered"u8.ToArray(), 0, default);
            Assert.False(await partial.VerifyAsync(default));
            await Assert.ThrowsAsync<InvalidOperationException>(() => partial.CommitAsync(default).AsTask());
        }

        Assert.False(Store.Contains(digest));
        Assert.Null(await Store.OpenAsync(digest, default));
    }

    [Fact]
    public async Task Commit_NotVerified_IsRefused()
    {
        await using var partial = await Store.CreateAsync(Digest.Of(Content), FillMode.Complete, default);
        await partial.WriteAsync(Content, 0, default);

        await Assert.ThrowsAsync<InvalidOperationException>(() => partial.CommitAsync(default).AsTask());
    }

    [Fact]
    public async Task Write_Verified_IsRefused()
    {
        await using var partial = await Store.CreateAsync(Digest.Of(Content), FillMode.Complete, default);
        await partial.WriteAsync(Content, 0, default);
        await partial.VerifyAsync(default);

        await Assert.ThrowsAsync<InvalidOperationException>(() => partial.WriteAsync(Content, 0, default).AsTask());
    }

    [Fact]
    public async Task Dispose_NotCommitted_LeavesNothingBehind()
    {
        await using (var partial = await Store.CreateAsync(Digest.Of(Content), FillMode.Complete, default))
        {
            await partial.WriteAsync(Content, 0, default);
            Assert.True(await partial.VerifyAsync(default));
        }

        Assert.Null(await Store.OpenAsync(Digest.Of(Content), default));
    }

    [Fact]
    public async Task OpenReader_BytesAreWritten_ReadsThemAsTheyCome()
    {
        await using var partial = await Store.CreateAsync(Digest.Of(Content), FillMode.Complete, default);
        await using var reader = partial.OpenReader(Content.Length);
        Assert.Equal(Content.Length, reader.Size);

        for (var at = 0; at < Content.Length; at += 50_000)
        {
            await partial.WriteAsync(Content.AsMemory(at, 50_000), at, default);
            Assert.Equal(Content[at..(at + 50_000)], await reader.ReadAsync(at, 50_000));
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task OpenReader_WriterIsGone_ReadsOn(bool committed)
    {
        Blob reader;
        await using (var partial = await Store.CreateAsync(Digest.Of(Content), FillMode.Complete, default))
        {
            await partial.WriteAsync(Content, 0, default);
            reader = partial.OpenReader(Content.Length);
            await partial.VerifyAsync(default);
            if (committed) await partial.CommitAsync(default);
        }

        Assert.Equal(Content, await reader.ReadAsync());
        await reader.DisposeAsync();
    }

    [Fact]
    public async Task Create_FirstGaveUp_SecondCommits()
    {
        await using (var first = await Store.CreateAsync(Digest.Of(Content), FillMode.Complete, default)) await first.WriteAsync("half"u8.ToArray(), 0, default);

        await PutAsync(Content);

        Assert.Equal(Content, await ContentOfAsync(Digest.Of(Content)));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Create_TwoWritersAtOnce_AreNotInEachOthersWay(bool firstGivesUp)
    {
        var digest = Digest.Of(Content);
        var first = await Store.CreateAsync(digest, FillMode.Complete, default);
        await first.WriteAsync(Content, 0, default);
        await using var second = await Store.CreateAsync(digest, FillMode.Complete, default);
        await second.WriteAsync(Content.AsMemory(0, 10), 0, default);

        await first.VerifyAsync(default);
        if (!firstGivesUp) await first.CommitAsync(default);
        await first.DisposeAsync();
        if (!firstGivesUp) Assert.Equal(Content, await ContentOfAsync(digest));
        await second.WriteAsync(Content.AsMemory(10), 10, default);
        Assert.True(await second.VerifyAsync(default));
        await second.CommitAsync(default);

        Assert.Equal(Content, await ContentOfAsync(digest));
    }

    [Fact]
    public async Task Commit_EmptyBlob_IsABlob()
    {
        await PutAsync([]);

        await using var blob = await Store.OpenAsync(Digest.Of([]), default);
        Assert.Equal(0, blob!.Size);
        Assert.Equal(0, await blob.ReadAsync(new byte[1], 0, default));
    }

    [Fact]
    public async Task Read_PartsOfABlob_AreThoseBytes()
    {
        await PutAsync(Content);
        await using var blob = await Store.OpenAsync(Digest.Of(Content), default);

        Assert.NotNull(blob);
        Assert.Equal(Content[100..200], await blob.ReadAsync(100, 100));
        Assert.Equal(Content[^5..], await blob.ReadAsync(Content.Length - 5));
        Assert.Equal(0, await blob.ReadAsync(new byte[10], Content.Length, default));
    }

    protected async Task<Digest> PutAsync(byte[] content)
    {
        var digest = Digest.Of(content);
        await using var partial = await Store.CreateAsync(digest, FillMode.Complete, default);
        await partial.WriteAsync(content, 0, default);
        Assert.True(await partial.VerifyAsync(default));
        await partial.CommitAsync(default);
        return digest;
    }

    protected async Task<byte[]> ContentOfAsync(Digest digest)
    {
        await using var blob = await Store.OpenAsync(digest, default);
        return await blob!.ReadAsync();
    }
}

public sealed class MemoryBlobStoreTests : BlobStoreContract
{
    protected override IBlobStore Store { get; } = new MemoryBlobStore();
}
