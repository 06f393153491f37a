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
    public async Task Replace_UpstreamRemovedAfterTheRequestWasRead_ServesWhatIsStoredAndAsksNobody()
    {
        var digest = _kit.Upstream.Put("content"u8.ToArray());
        await using (var fetched = (await _kit.BlobAsync(digest)).Content!) await _kit.EndOf(digest);
        _kit.Pulls.Replace([_kit.Other]);
        var asked = _kit.Upstream.Requests.Count;

        var stored = await _kit.BlobAsync(digest);
        var unknown = await _kit.BlobAsync(_kit.Upstream.Put("not stored"u8.ToArray()));

        Assert.Equal(PullSource.Hit, stored.Source);
        Assert.Equal((PullSource.Missing, RegistryError.BlobUnknown.Code), (unknown.Source, unknown.Error?.Code));
        Assert.Equal(asked, _kit.Upstream.Requests.Count);
        await stored.Content!.DisposeAsync();
    }

    [Fact]
    public async Task Replace_OtherUpstream_IsAskedForWhatTheOneBeforeSaidNoTo()
    {
        Assert.Equal(PullSource.Missing, (await _kit.ManifestAsync(PullKit.Of("3"), headOnly: true)).Source);
        var other = new ScriptedUpstream { HeadManifest = (_, _) => ScriptedUpstream.Say<ManifestInfo>(new ManifestInfo(Digest.Of("m"u8), MediaTypes.OciManifest, 1)) };

        _kit.Pulls.Replace([other, _kit.Other]);

        Assert.Equal(PullSource.Fetched, (await _kit.ManifestAsync(PullKit.Of("3"), headOnly: true)).Source);
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
