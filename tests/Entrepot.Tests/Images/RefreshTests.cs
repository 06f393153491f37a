using Entrepot.Oci;
using Entrepot.Pull;
using Entrepot.Tests.Kit;

namespace Entrepot.Tests.Images;

/// <summary>A refresh beside pulls that ask at the same time.</summary>
public sealed class RefreshTests : IAsyncLifetime
{
    private static readonly byte[] Old = "{\"schemaVersion\":2}"u8.ToArray(), New = "{\"schemaVersion\":2 }"u8.ToArray();
    private static readonly UpstreamRoutes Routes = new([("docker.io", []), ("ghcr.io", [])], "docker.io");

    private readonly PullKit _kit = new();
    private readonly List<ImageChange> _told = [];

    public async Task InitializeAsync()
    {
        Mean(Old);
        _kit.Upstream.GetManifest = (reference, _) =>
            ScriptedUpstream.Say<ReceivedManifest>(new ReceivedManifest(reference.Digest == Digest.Of(New) ? New : Old, MediaTypes.OciManifest, null));
        await _kit.ManifestAsync(PullKit.Of("3.20"));
        _kit.Upstream.Requests.Clear();
    }

    public Task DisposeAsync() => _kit.EndAsync();

    [Fact]
    public async Task Refresh_ATagThatIsFresh_AsksAndTellsThatItMoved()
    {
        Mean(New);

        await RefreshAsync("alpine:3.20");

        var change = Assert.Single(_told);
        Assert.Equal((ImageFate.Moved, Digest.Of(New), Digest.Of(Old)), (change.Fate, change.Digest, change.Previous));
        Assert.Equal(["HEAD manifest 3.20", $"GET manifest {Digest.Of(New)}"], _kit.Upstream.Requests);
        Assert.Equal(New, (await _kit.ManifestAsync(PullKit.Of("3.20"))).Content!.Bytes.ToArray());
    }

    [Fact]
    public async Task Refresh_WhilePullsCome_AsksOnceForAll()
    {
        var answer = Hold();
        var refresh = RefreshAsync("alpine:3.20");
        _kit.Clock.Now += TimeSpan.FromHours(1);   // past its time, so that pulls would ask
        var pulls = Enumerable.Range(0, 10).Select(_ => _kit.ManifestAsync(PullKit.Of("3.20"))).ToList();
        answer.SetResult(Info(Old));
        await refresh;

        foreach (var pull in pulls) Assert.Equal(PullSource.Joined, (await pull).Source);
        Assert.Equal(["HEAD manifest 3.20"], _kit.Upstream.Requests);
    }

    [Fact]
    public async Task Refresh_WhileAPullAskedBefore_AsksAgain()
    {
        // What that pull is told may have been true only before whoever refreshes pushed something.
        _kit.Clock.Now += TimeSpan.FromHours(1);
        var answer = Hold();
        var pull = _kit.ManifestAsync(PullKit.Of("3.20"));
        var refresh = RefreshAsync("alpine:3.20");
        Mean(New);
        answer.SetResult(Info(Old));

        await refresh;

        await pull;
        Assert.Equal(ImageFate.Moved, Assert.Single(_told).Fate);
        Assert.Equal(2, _kit.Upstream.Requests.Count(request => request == "HEAD manifest 3.20"));
    }

    [Fact]
    public async Task Refresh_ManyTags_AsksAFewAtOnce()
    {
        for (var i = 0; i < 30; i++) await _kit.ManifestAsync(PullKit.Of($"t{i}"));
        _kit.Upstream.Requests.Clear();
        var answer = Hold();

        var refresh = RefreshAsync("docker.io/library/alpine:t*");
        var asked = _kit.Upstream.Requests.Count;
        answer.SetResult(Info(Old));
        await refresh;

        Assert.InRange(asked, 0, 8);
        Assert.Equal(30, _told.Count);
        Assert.All(_told, change => Assert.Equal(ImageFate.Unchanged, change.Fate));
    }

    [Fact]
    public async Task Refresh_UpstreamCannotSay_FailsAndKeepsWhatIsKnown()
    {
        _kit.Upstream.HeadManifest = (_, _) => ScriptedUpstream.Say<ManifestInfo>(RegistryError.Down("scripted"));

        await RefreshAsync("alpine:3.20");

        Assert.Equal((ImageFate.Failed, "the upstream cannot be reached: scripted"), (_told[0].Fate, _told[0].Error));
        Assert.Equal(Digest.Of(Old), _kit.Index.FindTag(PullKit.Of("3.20"))!.Digest);
    }

    private void Mean(byte[] manifest) => _kit.Upstream.HeadManifest = (_, _) => ScriptedUpstream.Say<ManifestInfo>(Info(manifest));

    private TaskCompletionSource<Answer<ManifestInfo>> Hold()
    {
        var answer = new TaskCompletionSource<Answer<ManifestInfo>>(TaskCreationOptions.RunContinuationsAsynchronously);
        _kit.Upstream.HeadManifest = (_, _) => answer.Task;
        return answer;
    }

    private async Task RefreshAsync(string text)
    {
        Assert.Null(ReferencePattern.Parse(text, Routes, [], out var pattern));
        var objection = await _kit.Pulls.Images.RefreshAsync(
            pattern,
            change =>
            {
                _told.Add(change);
                return Task.CompletedTask;
            },
            default).Soon();
        Assert.Null(objection);
    }

    private static ManifestInfo Info(byte[] manifest) => new(Digest.Of(manifest), MediaTypes.OciManifest, manifest.Length);
}
