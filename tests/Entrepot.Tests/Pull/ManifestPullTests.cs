using System.Text;
using Entrepot.Oci;
using Entrepot.Pull;
using Entrepot.Tests.Kit;

namespace Entrepot.Tests.Pull;

/// <summary>Pulls of manifests by tag and by digest: what is answered, and what was asked for it.</summary>
public sealed class ManifestPullTests : IAsyncLifetime
{
    private const string MediaType = "application/vnd.oci.image.manifest.v1+json; charset=utf-8";

    private static readonly byte[] One = Encoding.UTF8.GetBytes("""{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json"}""");
    private static readonly byte[] Two = Encoding.UTF8.GetBytes("""{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}""");
    private static readonly Reference Tag = PullKit.Of("3.20");

    private readonly PullKit _kit = new();

    private ScriptedUpstream Upstream => _kit.Upstream;

    public Task InitializeAsync() => Task.CompletedTask;

    public Task DisposeAsync() => _kit.EndAsync();

    [Fact]
    public async Task Get_UnknownTag_AsksByHeadAndFetchesByDigest()
    {
        Publish(One);

        var pulled = await _kit.ManifestAsync(Tag);

        Assert.Equal(PullSource.Fetched, pulled.Source);
        Assert.True(pulled.Stored);
        Assert.Equal((Digest.Of(One), MediaType, One.Length), (pulled.Content!.Digest, pulled.Content.MediaType, pulled.Content.Size));
        Assert.Equal(One, pulled.Content.Bytes.ToArray());
        Assert.Equal(["HEAD manifest 3.20", $"GET manifest {Digest.Of(One)}"], Upstream.Requests);
    }

    [Fact]
    public async Task Get_FreshTag_IsAHitWithoutTheUpstream()
    {
        await PulledAsync(One);
        _kit.Clock.Now += Upstream.TagTtl - TimeSpan.FromSeconds(1);

        var pulled = await _kit.ManifestAsync(Tag);

        Assert.Equal(PullSource.Hit, pulled.Source);
        Assert.Equal(MediaType, pulled.Content!.MediaType);
        Assert.Empty(Upstream.Requests);
    }

    [Fact]
    public async Task Get_TagThatIsOldInAnotherCache_TellsItsAgeOnceAndIsFreshAllTheSame()
    {
        Publish(One);
        var (head, relay) = (Upstream.HeadManifest, new Relay("Inner; hit", TimeSpan.FromDays(1)));
        Upstream.HeadManifest = async (reference, cancel) => (await head(reference, cancel)).Value! with { Relay = relay };

        var fetched = await _kit.ManifestAsync(Tag);
        Upstream.Requests.Clear();
        _kit.Clock.Now += Upstream.TagTtl - TimeSpan.FromSeconds(1);
        var hit = await _kit.ManifestAsync(Tag);

        Assert.Equal((PullSource.Fetched, relay), (fetched.Source, fetched.Relay));
        Assert.Equal((PullSource.Hit, null), (hit.Source, hit.Relay));
        Assert.Empty(Upstream.Requests);
    }

    [Fact]
    public async Task Get_OldTagUnchanged_IsRevalidatedByHeadAlone()
    {
        await PulledAsync(One);
        _kit.Clock.Now += Upstream.TagTtl;

        Assert.Equal(PullSource.Revalidated, (await _kit.ManifestAsync(Tag)).Source);
        Assert.Equal(["HEAD manifest 3.20"], Upstream.Requests);
        Assert.Equal(PullSource.Hit, (await _kit.ManifestAsync(Tag)).Source);   // and is fresh again
    }

    [Fact]
    public async Task Get_TagMoved_IsFetched()
    {
        await PulledAsync(One);
        _kit.Clock.Now += Upstream.TagTtl;
        Publish(Two);

        var pulled = await _kit.ManifestAsync(Tag);

        Assert.Equal(PullSource.Fetched, pulled.Source);
        Assert.Equal(Two, pulled.Content!.Bytes.ToArray());
    }

    [Fact]
    public async Task Get_TagIsGone_IsMissingAndForgotten()
    {
        await PulledAsync(One);
        _kit.Clock.Now += Upstream.TagTtl;
        Upstream.HeadManifest = (_, _) => ScriptedUpstream.Say<ManifestInfo>(RegistryError.ManifestUnknown);

        Assert.Equal(PullSource.Missing, (await _kit.ManifestAsync(Tag)).Source);
        Assert.Null(_kit.Index.FindTag(Tag));
        _kit.Clock.Now += Upstream.Freshness.NegativeTtl;
        Upstream.HeadManifest = (_, _) => ScriptedUpstream.Say<ManifestInfo>(RegistryError.Down("scripted"));
        Assert.Equal(503, (await _kit.ManifestAsync(Tag)).Error!.Status);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Get_TagPointsToWhatTheUpstreamDoesNotHave_IsItsFaultAndAskedAnew(bool isHeadFirst)
    {
        Publish(One);
        var (head, get, lie) = (Upstream.HeadManifest, Upstream.GetManifest, Digest.Of(Two));
        Upstream.HeadManifest = async (reference, cancel) => (await head(reference, cancel)).Value! with { Digest = lie };
        Upstream.GetManifest = (reference, cancel) => reference.Target == $"{lie}" ? ScriptedUpstream.Say<ReceivedManifest>(RegistryError.ManifestUnknown) : get(reference, cancel);
        if (isHeadFirst) await _kit.ManifestAsync(Tag, headOnly: true);

        var pulled = await _kit.ManifestAsync(Tag);

        Assert.Equal((PullSource.Failed, 502), (pulled.Source, pulled.Error!.Status));
        Assert.Contains($"{lie}", pulled.Error.Detail, StringComparison.Ordinal);
        Upstream.HeadManifest = head;
        Assert.Equal(One, (await _kit.ManifestAsync(Tag)).Content!.Bytes.ToArray());
    }

    [Fact]
    public async Task Get_TagIsGoneAndThatCannotBeRecorded_IsMissingAllTheSame()
    {
        await PulledAsync(One);
        _kit.Clock.Now += Upstream.TagTtl;
        Upstream.HeadManifest = (_, _) => ScriptedUpstream.Say<ManifestInfo>(RegistryError.ManifestUnknown);
        _kit.Index.Fault = new IOException("no space left on device");

        Assert.Equal(PullSource.Missing, (await _kit.ManifestAsync(Tag)).Source);
        Assert.Same(_kit.Index.Fault, Assert.Single(_kit.Faults).Fault);
    }

    public static TheoryData<int, string> Outages => new() { { 429, "rate-limited" }, { 502, "bad-answer" }, { 503, "unreachable" }, { 504, "timeout" } };

    [Theory]
    [MemberData(nameof(Outages))]
    public async Task Get_UpstreamCannotSay_ServesWhatIsKnownAsStale(int status, string why)
    {
        await PulledAsync(One);
        _kit.Clock.Now += Upstream.TagTtl;
        Upstream.HeadManifest = (_, _) => ScriptedUpstream.Say<ManifestInfo>(new RegistryError(status, "UNAVAILABLE", "scripted"));

        foreach (var headOnly in new[] { false, true })
        {
            var pulled = await _kit.ManifestAsync(Tag, headOnly);
            Assert.Equal((PullSource.Stale, why), (pulled.Source, pulled.Detail));
            Assert.Equal(Digest.Of(One), pulled.Content!.Digest);
        }
    }

    [Theory]
    [InlineData(401)]
    [InlineData(403)]
    public async Task Get_UpstreamSaysNo_IsDeniedThoughATagIsKnown(int status)
    {
        await PulledAsync(One);
        _kit.Clock.Now += Upstream.TagTtl;
        var no = status == 401 ? RegistryError.Unauthorized : RegistryError.Denied;
        Upstream.HeadManifest = (_, _) => ScriptedUpstream.Say<ManifestInfo>(no);

        var pulled = await _kit.ManifestAsync(Tag);

        Assert.Equal((PullSource.Denied, no), (pulled.Source, pulled.Error));
    }

    [Fact]
    public async Task Get_HeadTellsNoDigest_GetsTheTagOnce()
    {
        Publish(One);
        Upstream.HeadManifest = (_, _) => ScriptedUpstream.Say<ManifestInfo>(new ManifestInfo(null, MediaType, One.Length));

        var pulled = await _kit.ManifestAsync(Tag);

        Assert.Equal((PullSource.Fetched, Digest.Of(One)), (pulled.Source, pulled.Content!.Digest));
        Assert.Equal(["HEAD manifest 3.20", "GET manifest 3.20"], Upstream.Requests);
    }

    [Theory]
    [InlineData("<html>sign in</html>")]
    [InlineData("[1]")]
    [InlineData("")]
    public async Task Get_GarbageByTag_IsRefused(string garbage)
    {
        Publish(Encoding.UTF8.GetBytes(garbage));
        Upstream.HeadManifest = (_, _) => ScriptedUpstream.Say<ManifestInfo>(new ManifestInfo(null, null, null));

        Assert.Equal(502, (await _kit.ManifestAsync(Tag)).Error!.Status);
        Assert.Null(_kit.Index.FindTag(Tag));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Get_WrongBytes_AreRefused(bool byTag)
    {
        Publish(One);
        Upstream.GetManifest = (_, _) => ScriptedUpstream.Say<ReceivedManifest>(new ReceivedManifest(Two, MediaType, Digest.Of(One)));
        if (byTag) Upstream.HeadManifest = (_, _) => ScriptedUpstream.Say<ManifestInfo>(new ManifestInfo(null, null, null));

        var pulled = await _kit.ManifestAsync(byTag ? Tag : Tag.At(Digest.Of(One)));

        Assert.Equal((PullSource.Failed, 502), (pulled.Source, pulled.Error!.Status));
        Assert.False(_kit.Store.Contains(Digest.Of(One)));
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("text/plain\r\nX-Injected: 1")]
    public async Task Get_MediaTypeCannotBeSent_IsTakenFromTheManifest(string? mediaType)
    {
        Publish(Two);
        Upstream.GetManifest = (_, _) => ScriptedUpstream.Say<ReceivedManifest>(new ReceivedManifest(Two, mediaType, null));

        var pulled = await _kit.ManifestAsync(Tag.At(Digest.Of(Two)));

        Assert.Equal(MediaTypes.OciIndex, pulled.Content!.MediaType);
    }

    [Fact]
    public async Task Get_ByDigestAndUnlikeAManifest_IsServedAsItIs()
    {
        var odd = "not json"u8.ToArray();
        Publish(odd);

        var pulled = await _kit.ManifestAsync(Tag.At(Digest.Of(odd)));

        Assert.Equal(odd, pulled.Content!.Bytes.ToArray());
        Assert.Equal(PullSource.Hit, (await _kit.ManifestAsync(Tag.At(Digest.Of(odd)))).Source);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Get_ManyAtOnce_AskOnce(bool byTag)
    {
        Publish(One);
        var gate = new TaskCompletionSource();
        var (head, get) = (Upstream.HeadManifest, Upstream.GetManifest);
        Upstream.HeadManifest = async (reference, cancel) => { await gate.Task; return await head(reference, cancel); };
        Upstream.GetManifest = async (reference, cancel) => { await gate.Task; return await get(reference, cancel); };

        var pulls = Enumerable.Range(0, 20).Select(_ => _kit.ManifestAsync(byTag ? Tag : Tag.At(Digest.Of(One)))).ToList();
        gate.SetResult();
        var pulled = await Task.WhenAll(pulls);

        Assert.All(pulled, one => Assert.Equal(One, one.Content!.Bytes.ToArray()));
        Assert.Equal(byTag ? 2 : 1, Upstream.Requests.Count);
        Assert.InRange(pulled.Count(one => one.Source is PullSource.Fetched), 1, byTag ? 2 : 1);
    }

    // What another pull does between this one's miss and its own flight.
    [Fact]
    public async Task Get_StoredBetweenTheMissAndTheFlight_IsAHit()
    {
        var digest = Digest.Of(One);
        await _kit.Index.AddManifestAsync(Tag.At(digest), MediaType, default);
        _kit.Store.Missed = _ => _kit.Store.Put(One);

        var pulled = await _kit.ManifestAsync(Tag.At(digest));

        Assert.Equal((PullSource.Hit, false), (pulled.Source, pulled.Stored));
        Assert.Equal(One, pulled.Content!.Bytes.ToArray());
        Assert.Empty(Upstream.Requests);
    }

    [Fact]
    public async Task Get_AnotherRepositoryIsRefused_AsksForItself()
    {
        Publish(One);
        var gate = new TaskCompletionSource();
        var get = Upstream.GetManifest;
        Upstream.GetManifest = async (reference, cancel) =>
        {
            if (reference.Repository != "private/image") return await get(reference, cancel);
            await gate.Task;
            return RegistryError.Denied;
        };
        var refused = _kit.ManifestAsync(PullKit.Of(Digest.Of(One), "private/image"));
        var mine = _kit.ManifestAsync(Tag.At(Digest.Of(One)));
        gate.SetResult();

        Assert.Equal(PullSource.Denied, (await refused).Source);
        Assert.Equal(One, (await mine).Content!.Bytes.ToArray());
    }

    [Theory]
    [InlineData("open")]
    [InlineData("create")]
    [InlineData("record")]
    public async Task Get_StoreFails_IsServedAsABypassAndReported(string step)
    {
        var fault = new IOException("input/output error");
        if (step == "open") await PulledAsync(One);
        else Publish(One);
        if (step == "open") (_kit.Store.OpenFault, _kit.Store.CreateFault) = (fault, fault);
        if (step == "create") _kit.Store.CreateFault = fault;
        if (step == "record") _kit.Index.Fault = fault;

        var pulled = await _kit.ManifestAsync(Tag);

        Assert.Equal((PullSource.Bypass, "bypass"), (pulled.Source, pulled.Detail));
        Assert.Equal(One, pulled.Content!.Bytes.ToArray());
        Assert.All(_kit.Faults, one => Assert.Same(fault, one.Fault));
        Assert.NotEmpty(_kit.Faults);
    }

    [Fact]
    public async Task Get_BlobOfThatNameIsStoredButNoMediaTypeIsKnown_AsksTheUpstream()
    {
        _kit.Store.Put(One);
        Publish(One);

        Assert.Equal((PullSource.Fetched, MediaType), ((await _kit.ManifestAsync(Tag.At(Digest.Of(One)))).Source, _kit.Index.FindMediaType(Digest.Of(One))));
    }

    [Fact]
    public async Task Head_ByDigest_AsksByHeadAndIsNotKept()
    {
        Publish(One);

        var pulled = await _kit.ManifestAsync(Tag.At(Digest.Of(One)), headOnly: true);

        Assert.Equal((PullSource.Fetched, false, MediaType, One.Length), (pulled.Source, pulled.Stored, pulled.Content!.MediaType, pulled.Content.Size));
        Assert.Equal([$"HEAD manifest {Digest.Of(One)}"], Upstream.Requests);
    }

    [Fact]
    public async Task Head_ByDigestAndTheUpstreamTellsLess_GetsIt()
    {
        Publish(One);
        Upstream.HeadManifest = (_, _) => ScriptedUpstream.Say<ManifestInfo>(new ManifestInfo(null, null, null));

        Assert.Equal(One.Length, (await _kit.ManifestAsync(Tag.At(Digest.Of(One)), headOnly: true)).Content!.Size);
        Assert.Equal($"GET manifest {Digest.Of(One)}", Upstream.Requests.Last());
    }

    [Fact]
    public async Task Head_ByDigestAndTheUpstreamTellsAnother_IsRefused()
    {
        Upstream.HeadManifest = (_, _) => ScriptedUpstream.Say<ManifestInfo>(new ManifestInfo(Digest.Of(Two), MediaType, 1));

        Assert.Equal(502, (await _kit.ManifestAsync(Tag.At(Digest.Of(One)), headOnly: true)).Error!.Status);
    }

    private void Publish(byte[] manifest)
    {
        var digest = Digest.Of(manifest);
        Upstream.HeadManifest = (_, _) => ScriptedUpstream.Say<ManifestInfo>(new ManifestInfo(digest, MediaType, manifest.Length));
        Upstream.GetManifest = (_, _) => ScriptedUpstream.Say<ReceivedManifest>(new ReceivedManifest(manifest, MediaType, null));
    }

    private async Task PulledAsync(byte[] manifest)
    {
        Publish(manifest);
        Assert.Null((await _kit.ManifestAsync(Tag)).Error);
        Upstream.Requests.Clear();
    }
}
