using Entrepot.Oci;
using Entrepot.Pull;
using Entrepot.Tests.Kit;

namespace Entrepot.Tests.Pull;

public sealed class PullThroughTests : IAsyncLifetime
{
    private readonly PullKit _kit = new();

    public async Task InitializeAsync()
    {
        foreach (var repository in (string[])["library/b", "library/a", "org/c"])
            await _kit.Index.AddManifestAsync(PullKit.Of(Digest.Of("m"u8), repository), MediaTypes.OciManifest, default);
        await _kit.Index.AddManifestAsync(new Reference("ghcr.io", "org/app", Digest.Of("m"u8)), MediaTypes.OciManifest, default);
    }

    public Task DisposeAsync() => _kit.EndAsync();

    [Theory]
    [InlineData(10, "", "ghcr.io/org/app,library/a,library/b,org/c", false)]
    [InlineData(4, "", "ghcr.io/org/app,library/a,library/b,org/c", false)]
    [InlineData(3, "", "ghcr.io/org/app,library/a,library/b", true)]
    [InlineData(2, "library/a", "library/b,org/c", false)]
    [InlineData(1, "library/a", "library/b", true)]
    [InlineData(1, "org/c", "", false)]
    [InlineData(0, "", "", true)]
    public void ListRepositories_Page_BeginsAfterLastInOrdinalOrder(int count, string last, string names, bool hasMore)
    {
        var (listed, more) = _kit.Pulls.ListRepositories("docker.io", only: false, count, last);

        Assert.Equal((names, hasMore), (string.Join(',', listed), more));
    }

    [Fact]
    public void ListRepositories_OneUpstreamOnly_LeavesTheOthersOut()
    {
        Assert.Equal(["library/a", "library/b", "org/c"], _kit.Pulls.ListRepositories("docker.io", only: true, 10, "").Names);
        Assert.Equal(["org/app"], _kit.Pulls.ListRepositories("ghcr.io", only: true, 10, "").Names);
    }

    [Fact]
    public async Task ListTags_Repository_IsAskedUpstream()
    {
        var pulled = await _kit.Pulls.ListTagsAsync(PullKit.Of("", "library/alpine"), null, null, default).Soon();
        var unknown = await _kit.Pulls.ListTagsAsync(PullKit.Of("", "library/none"), null, null, default).Soon();

        Assert.Equal((PullSource.Fetched, 2), (pulled.Source, pulled.Content!.Tags.Count));
        Assert.Equal((PullSource.Missing, RegistryError.NameUnknown), (unknown.Source, unknown.Error));
    }

    [Fact]
    public async Task ListReferrers_Subject_IsAskedUpstream()
    {
        var subject = PullKit.Of(Digest.Of("m"u8));

        Assert.True((await _kit.Pulls.ListReferrersAsync(subject, "a/b", default).Soon()).Content!.Filtered);
        _kit.Upstream.IsDown = true;
        Assert.Equal(PullSource.Failed, (await _kit.Pulls.ListReferrersAsync(subject, null, default).Soon()).Source);
    }

    [Fact]
    public async Task DisposeAsync_UpstreamSaysNothing_EndsTheWait()
    {
        var kit = new PullKit();
        kit.Upstream.HeadManifest = async (_, cancel) =>
        {
            await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, cancel);
            return RegistryError.ManifestUnknown;
        };
        var pull = kit.ManifestAsync(PullKit.Of("3.20"));

        await kit.EndAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => pull);
    }
}
