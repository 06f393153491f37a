using Entrepot.Oci;
using Entrepot.Pull;
using Entrepot.Tests.Kit;

namespace Entrepot.Tests.Pull;

/// <summary>Bytes that go straight to a client keep the promise of whole blobs all the same (invariant 5).</summary>
public sealed class PassedBlobTests : IAsyncLifetime
{
    private const int Tail = (int)FetchPlan.HeldTail;

    private readonly PullKit _kit = new();
    private readonly byte[] _content = Waiting.Bytes(3 * Tail);

    public Task InitializeAsync()
    {
        _kit.Store.CreateFault = new IOException("no space left on device");
        return Task.CompletedTask;
    }

    public Task DisposeAsync() => _kit.EndAsync();

    [Fact]
    public async Task Read_WholeBlob_HoldsItsTailUntilAllHasArrived()
    {
        var body = _kit.Upstream.ThenBody(_content.Length).Give(_content.AsMemory(0, _content.Length - 1));
        var blob = (await _kit.BlobAsync(Digest.Of(_content))).Content!.Blob!;
        Assert.Equal(_content[..^Tail], await blob.ReadAsync(0, _content.Length - Tail));

        var tail = blob.ReadAsync(new byte[Tail], _content.Length - Tail, default);
        Assert.False(tail.IsCompleted);
        body.Give(_content.AsMemory(_content.Length - 1));

        Assert.Equal(Tail, await tail.Soon());
        await blob.DisposeAsync();
        await body.Disposed.Soon();
    }

    [Theory]
    [InlineData(0)]
    [InlineData(100_000)]
    [InlineData((3 * Tail) - 1)]
    public async Task Read_WrongByte_TailIsNeverGiven(int at)
    {
        var spoilt = (byte[])_content.Clone();
        spoilt[at] ^= 1;
        _kit.Upstream.ThenBody(_content.Length).Give(spoilt).End();
        var blob = (await _kit.BlobAsync(Digest.Of(_content))).Content!.Blob!;

        await blob.ReadAsync(0, _content.Length - Tail);

        await Assert.ThrowsAsync<FetchFailedException>(() => blob.ReadAsync(_content.Length - Tail));
    }

    [Theory]
    [InlineData(10)]
    [InlineData((3 * Tail) - 10)]
    public async Task Read_BodyEndsEarly_Fails(int at)
    {
        _kit.Upstream.ThenBody(_content.Length).Give(_content.AsMemory(0, at)).End();
        var blob = (await _kit.BlobAsync(Digest.Of(_content))).Content!.Blob!;

        await Assert.ThrowsAnyAsync<IOException>(() => blob.ReadAsync());
    }
}
