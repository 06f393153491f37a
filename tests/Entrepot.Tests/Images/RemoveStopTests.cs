using Entrepot.Oci;
using Entrepot.Pull;
using Entrepot.Tests.Kit;

namespace Entrepot.Tests.Images;

/// <summary>A removal that is ended by the end of the process.</summary>
public sealed class RemoveStopTests : IAsyncLifetime
{
    private static readonly UpstreamRoutes Routes = new([("docker.io", [])], "docker.io");

    private readonly PullKit _kit = new();
    private readonly List<ImageChange> _told = [];

    public Task InitializeAsync() => Task.CompletedTask;

    public Task DisposeAsync() => _kit.EndAsync();

    [Fact]
    public async Task Remove_Stopped_TakesTheNamesTellsThemAndLeavesTheRestToTheNextOne()
    {
        var manifest = _kit.Store.Put("""{"schemaVersion":2}"""u8.ToArray());
        await _kit.Index.SetTagAsync(PullKit.Of("3.20"), new TagRecord(manifest, MediaTypes.OciManifest, 1, default), default);
        await _kit.Index.AddManifestAsync(PullKit.Of(manifest), MediaTypes.OciManifest, default);
        using var stop = new CancellationTokenSource();
        await stop.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => RemoveAsync("alpine:3.20", stop.Token));

        Assert.Null(_kit.Index.FindTag(PullKit.Of("3.20")));
        Assert.Equal([(PullKit.Of("3.20"), ImageFate.Removed, 0L)], _told.Select(change => (change.Reference, change.Fate, change.Bytes ?? -1)));
        Assert.True(_kit.Store.Contains(manifest));

        Assert.Null(await RemoveAsync($"alpine@{manifest}", default));
        Assert.False(_kit.Store.Contains(manifest));
    }

    private Task<Objection?> RemoveAsync(string text, CancellationToken stop)
    {
        Assert.Null(ReferencePattern.Parse(text, Routes, [], out var pattern));
        return _kit.Pulls.Images.RemoveAsync(
            pattern,
            change =>
            {
                _told.Add(change);
                return Task.CompletedTask;
            },
            default,
            stop).Soon();
    }
}
