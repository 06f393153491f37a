using System.Collections.Concurrent;
using System.Threading.Channels;
using Entrepot.Oci;
using Entrepot.Pull;

namespace Entrepot.Tests.Kit;

/// <summary>One request for a blob's bytes, as the upstream was asked.</summary>
internal sealed record BlobAsk(Reference Reference, BlobPart Part)
{
    public long Offset => Part.From;

    public long? End => Part.To;

    public string? Validator => Part.Validator;
}

/// <summary>An upstream that answers as the test says: what it holds, unless a script for the next request was given.</summary>
internal sealed class ScriptedUpstream(string name = "docker.io") : IUpstream
{
    private readonly ConcurrentQueue<Func<BlobAsk, CancellationToken, Task<Answer<UpstreamBlob>>>> _opens = new();
    private readonly ConcurrentDictionary<Digest, byte[]> _blobs = new();
    private readonly Channel<BlobAsk> _asked = Channel.CreateUnbounded<BlobAsk>();

    public string Name => name;

    /// <summary>Patient, so that no timer decides what is served.</summary>
    public FreshnessRules Freshness { get; set; } = new() { RevalidateWait = Timeout.InfiniteTimeSpan };

    /// <summary>One run for each blob, so that a script is asked in order.</summary>
    public FetchRules Fetching { get; set; } = new() { ParallelRuns = 1 };

    public TimeSpan TagTtl => Freshness.TagTtl;

    public bool IsDown { get; set; }

    public bool IsShort { get; set; }

    /// <summary>Everything that was asked, in order: method, what, and target.</summary>
    public ConcurrentQueue<string> Requests { get; } = new();

    public Func<Reference, CancellationToken, Task<Answer<ManifestInfo>>> HeadManifest { get; set; } = (_, _) => Say<ManifestInfo>(RegistryError.ManifestUnknown);

    public Func<Reference, CancellationToken, Task<Answer<ReceivedManifest>>> GetManifest { get; set; } = (_, _) => Say<ReceivedManifest>(RegistryError.ManifestUnknown);

    public Func<Reference, CancellationToken, Task<Answer<BlobInfo>>>? HeadBlob { get; set; }

    public static Task<Answer<T>> Say<T>(Answer<T> answer) where T : class => Task.FromResult(answer);

    /// <summary>The blob requests that have not been looked at yet, waited for.</summary>
    public Task<BlobAsk> AskedAsync() => _asked.Reader.ReadAsync().Soon();

    public Digest Put(byte[] content)
    {
        var digest = Digest.Of(content);
        _blobs[digest] = content;
        return digest;
    }

    /// <summary>What the next blob request without a script of its own is answered with.</summary>
    public ScriptedUpstream Then(Func<BlobAsk, Answer<UpstreamBlob>> open) => Then((ask, _) => Task.FromResult(open(ask)));

    public ScriptedUpstream Then(RegistryError error) => Then(_ => error);

    public ScriptedUpstream Then(Func<BlobAsk, CancellationToken, Task<Answer<UpstreamBlob>>> open)
    {
        _opens.Enqueue(open);
        return this;
    }

    /// <summary>The next blob request gets a body that the test fills, from where it was asked.</summary>
    public ScriptedBody ThenBody(long? size, string? validator = null, long? offset = null)
    {
        var body = new ScriptedBody();
        var isPart = (BlobAsk ask) => offset is null && (ask.Offset > 0 || ask.End is not null);
        Then(ask => new UpstreamBlob { Content = body, Offset = offset ?? ask.Offset, Size = size, IsPart = isPart(ask), Validator = validator });
        return body;
    }

    public Task<Answer<UpstreamBlob>> OpenBlobAsync(Reference reference, BlobPart part, CancellationToken cancel)
    {
        var ask = new BlobAsk(reference, part);
        Requests.Enqueue($"GET blob {part.From}-{part.To}");
        _asked.Writer.TryWrite(ask);
        return _opens.TryDequeue(out var open) ? open(ask, cancel) : Task.FromResult(Held(ask));
    }

    public Task<Answer<ManifestInfo>> HeadManifestAsync(Reference reference, CancellationToken cancel)
    {
        Requests.Enqueue($"HEAD manifest {reference.Target}");
        return HeadManifest(reference, cancel);
    }

    public Task<Answer<ReceivedManifest>> GetManifestAsync(Reference reference, CancellationToken cancel)
    {
        Requests.Enqueue($"GET manifest {reference.Target}");
        return GetManifest(reference, cancel);
    }

    public Task<Answer<BlobInfo>> HeadBlobAsync(Reference reference, CancellationToken cancel)
    {
        Requests.Enqueue("HEAD blob");
        if (HeadBlob is not null) return HeadBlob(reference, cancel);
        return _blobs.TryGetValue(reference.Digest, out var content) ? Say<BlobInfo>(new BlobInfo(content.Length)) : Say<BlobInfo>(RegistryError.BlobUnknown);
    }

    public Task<Answer<TagPage>> ListTagsAsync(string repository, int? count, string? last, CancellationToken cancel) =>
        repository == "library/alpine" ? Say<TagPage>(new TagPage(["3.20", "latest"], false)) : Say<TagPage>(RegistryError.NameUnknown);

    public Task<Answer<ReferrerList>> ListReferrersAsync(Reference subject, string? artifactType, FindManifest stored, CancellationToken cancel) =>
        IsDown ? Say<ReferrerList>(RegistryError.Down("scripted")) : Say<ReferrerList>(new ReferrerList("{}"u8.ToArray(), artifactType is not null));

    private Answer<UpstreamBlob> Held(BlobAsk ask)
    {
        if (!_blobs.TryGetValue(ask.Reference.Digest, out var content)) return RegistryError.BlobUnknown;
        var end = (int)Math.Min(content.Length, ask.End ?? content.Length);
        return new UpstreamBlob { Content = new MemoryStream(content[(int)ask.Offset..end]), Offset = ask.Offset, Size = content.Length, IsPart = ask.Offset > 0 || ask.End is not null };
    }
}
