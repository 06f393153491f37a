using Entrepot.Oci;
using Entrepot.Pull;

namespace Entrepot.Bench;

/// <summary>An upstream that has one blob, in memory, and sends it when it is told to.</summary>
internal sealed class MemoryUpstream(byte[] content) : IUpstream
{
    private readonly TaskCompletionSource _sending = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public string Name => "memory";

    public FreshnessRules Freshness { get; } = new() { TagTtl = Timeout.InfiniteTimeSpan };

    public FetchRules Fetching { get; } = new();

    public bool IsDown => false;

    public bool IsShort => false;

    public void Send() => _sending.SetResult();

    public Task<Answer<UpstreamBlob>> OpenBlobAsync(Reference reference, BlobPart part, CancellationToken cancel) =>
        Task.FromResult<Answer<UpstreamBlob>>(
            new UpstreamBlob { Content = new HeldStream(content, _sending.Task), Offset = 0, Size = content.Length });

    public Task<Answer<ManifestInfo>> HeadManifestAsync(Reference reference, CancellationToken cancel) => throw new NotSupportedException();

    public Task<Answer<ReceivedManifest>> GetManifestAsync(Reference reference, CancellationToken cancel) => throw new NotSupportedException();

    public Task<Answer<BlobInfo>> HeadBlobAsync(Reference reference, CancellationToken cancel) => throw new NotSupportedException();

    public Task<Answer<TagPage>> ListTagsAsync(string repository, int? count, string? last, CancellationToken cancel) => throw new NotSupportedException();

    public Task<Answer<ReferrerList>> ListReferrersAsync(Reference subject, string? artifactType, FindManifest stored, CancellationToken cancel) => throw new NotSupportedException();

    private sealed class HeldStream(byte[] content, Task sending) : MemoryStream(content, writable: false)
    {
        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            await sending.WaitAsync(cancellationToken);
            return await base.ReadAsync(buffer, cancellationToken);
        }
    }
}
