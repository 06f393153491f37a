using System.Collections.Concurrent;
using Entrepot.Oci;
using Entrepot.Pull;

namespace Entrepot.Tests.Kit;

/// <summary>The use case over a store and an index in memory and a scripted upstream.</summary>
internal sealed class PullKit
{
    private readonly ConcurrentDictionary<Digest, TaskCompletionSource<FetchEnd>> _ends = new();

    public PullKit()
    {
        Fetches = new FetchTable(Store, Clock, 100) { Ended = end => EndSignal(end.Reference.Digest).TrySetResult(end) };
        Pulls = new PullThrough(Store, Index, Fetches, Memory, [Upstream, Other], Clock, (reference, fault) => Faults.Enqueue((reference, fault)));
    }

    public InstantClock Clock { get; } = new();

    public MemoryBlobStore Store { get; } = new();

    public MemoryIndex Index { get; } = new();

    public MemoryCache Memory { get; } = new(1 << 20);

    public ScriptedUpstream Upstream { get; } = new();

    public ScriptedUpstream Other { get; } = new("ghcr.io");

    public FetchTable Fetches { get; }

    public PullThrough Pulls { get; }

    public ConcurrentQueue<(Reference Reference, Exception Fault)> Faults { get; } = new();

    public static Reference Of(Digest digest, string repository = "library/alpine") => new("docker.io", repository, digest);

    public static Reference Of(string tag, string repository = "library/alpine") => new("docker.io", repository, tag);

    public Task<Pulled<BlobContent>> BlobAsync(Digest digest, RangeRequest? range = null, string repository = "library/alpine", CancellationToken cancel = default) =>
        Pulls.GetBlobAsync(Of(digest, repository), range, cancel).Soon();

    public Task<Pulled<ManifestContent>> ManifestAsync(Reference reference, bool headOnly = false) =>
        Pulls.GetManifestAsync(reference, headOnly, default).Soon();

    /// <summary>Waits for the first end of a digest's fetch.</summary>
    public Task<FetchEnd> EndOf(Digest digest) => EndSignal(digest).Task.Soon();

    /// <summary>Joins the fetch of a digest and follows it.</summary>
    public async Task<FollowedBlob> FollowAsync(Digest digest, RangeRequest? range = null)
    {
        // All of its bytes may be given already: it must not end before it is followed.
        var followed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var hash = Store.Hash;
        Store.Hash = Task.WhenAll(hash, followed.Task);
        try
        {
            var follow = await Fetches.Join(Of(digest), range, Upstream).Fetch.FollowAsync(range, default).Soon();
            Assert.Equal(FollowKind.Following, follow.Kind);
            return follow.Blob!;
        }
        finally
        {
            Store.Hash = hash;
            followed.SetResult();
        }
    }

    /// <summary>Ends what still runs; called by the test class, whose own life xunit knows.</summary>
    public async Task EndAsync()
    {
        await Pulls.DisposeAsync().Soon();
        await Fetches.DisposeAsync().Soon();
    }

    private TaskCompletionSource<FetchEnd> EndSignal(Digest digest) =>
        _ends.GetOrAdd(digest, _ => new TaskCompletionSource<FetchEnd>(TaskCreationOptions.RunContinuationsAsynchronously));
}
