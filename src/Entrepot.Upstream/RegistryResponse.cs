using System.Net;
using System.Net.Http.Headers;
using Entrepot.Oci;
using Entrepot.Pull;

namespace Entrepot.Upstream;

/// <summary>An answer with its place among the upstream's connections. Disposal gives both back; so does disposal of its body.</summary>
/// <remarks>The place of a connection that is broken off is free a little later: until the other side notices, it counts it still.</remarks>
internal sealed class RegistryResponse(HttpResponseMessage message, IDisposable place, Demand demand, Wire wire) : IDisposable
{
    private const string ForPeople = "a page for people, as a captive portal does";
    private const string Version = "Docker-Distribution-Api-Version";

    // Enough for any error document; the rest is not read.
    private static readonly BodyLimit ErrorLimit = new(16 << 10);

    private static readonly TimeSpan Noticed = TimeSpan.FromMilliseconds(100);

    /// <summary>Which of the upstream's addresses was asked, whoever it redirected to; <see langword="null"/> if there is only one.</summary>
    public string? Origin { get; init; }

    /// <summary>Told whether the body begins to come.</summary>
    public BodyWatch? Watch { get; init; }

    public HttpStatusCode Status => message.StatusCode;

    public HttpContentHeaders Content => message.Content.Headers;

    /// <summary>Where the answer came from, after redirects.</summary>
    public Uri Address => message.RequestMessage!.RequestUri!;

    /// <summary>A strong ETag; a weak one does not say that bytes are equal.</summary>
    public string? StrongTag => message.Headers.ETag is { IsWeak: false } tag ? tag.Tag : null;

    /// <summary>Content-Type, as sent; <see langword="null"/> if there was none.</summary>
    public string? MediaType => Content.NonValidated.TryGetValues("Content-Type", out var type) ? type.ToString() : null;

    /// <summary>What is said of a page that somebody on the way would like people to read.</summary>
    public string Page => PageFrom(message);

    /// <summary>The same of an answer that is not wrapped yet.</summary>
    public static string PageFrom(HttpResponseMessage message) =>
        message.IsSuccessStatusCode ? ForPeople : $"{ForPeople}, with status {(int)message.StatusCode}";

    /// <summary>Whether it brings what no registry stores, or refuses as none does: a page that somebody on the way would like people to read.</summary>
    public bool IsPage => IsPageFrom(message);

    /// <summary>The same of an answer that is not wrapped yet.</summary>
    /// <remarks>
    /// Portals and proxies under maintenance answer everything with one, and with 403 or 404 as readily as with 200. Registries refuse in JSON, also without a body after HEAD;
    /// one whose servers in front refuse for people is better taken for out of order than an outage for "there is no such thing", which would forget a tag for good. What those
    /// servers say of the request as such is another matter: that it needs an account, that there is no such method, that the range is none.
    /// <para>What routes requests says 404 in plain text while the registry behind it is away. So may a registry that is a plain program, which is told by the header that registries send.</para>
    /// </remarks>
    public static bool IsPageFrom(HttpResponseMessage message) =>
        MayBePage(message) && (Is(message, "text/html") || (message.StatusCode == HttpStatusCode.NotFound && Is(message, "text/plain") && !message.Headers.NonValidated.Contains(Version)));

    private static bool Is(HttpResponseMessage message, string type) =>
        message.Content.Headers.NonValidated.TryGetValues("Content-Type", out var sent) && sent.ToString().StartsWith(type, StringComparison.OrdinalIgnoreCase);

    private static bool MayBePage(HttpResponseMessage message) => message.StatusCode switch
    {
        HttpStatusCode.OK or HttpStatusCode.PartialContent => true,
        HttpStatusCode.Unauthorized => message.Headers.WwwAuthenticate.Count == 0,
        HttpStatusCode.MethodNotAllowed or HttpStatusCode.RequestedRangeNotSatisfiable => false,
        var status => (int)status is >= 400 and < 500,
    };

    /// <summary>Docker-Content-Digest; <see langword="null"/> if there was none that is a digest.</summary>
    public Digest? Digest => Oci.Digest.TryParse(Header("Docker-Content-Digest").FirstOrDefault(), out var digest) ? digest : null;

    /// <summary>What other caches said of it; <see langword="null"/> if none did.</summary>
    public Relay? Relay => RelayHeaders.Read(Header("Cache-Status"), Header("Age"));

    /// <summary>Whether the body is to be decoded, so that lengths and positions in it are not those of the content.</summary>
    public bool IsEncoded => Wire.EncodingOf(message).Length > 0;

    /// <summary>The lines of a header; none if it was not sent.</summary>
    public IEnumerable<string> Header(string name) => message.Headers.NonValidated.TryGetValues(name, out var lines) ? lines : [];

    /// <summary>Opens the body, which from then on owns this answer.</summary>
    public Task<Answer<Stream>> OpenAsync(CancellationToken cancel) => wire.OpenBodyAsync(message, Close, demand, Watch, cancel);

    /// <summary>Reads the whole body, at most <paramref name="limit"/>, and disposes this answer.</summary>
    public Task<Answer<byte[]>> ReadAsync(BodyLimit limit, CancellationToken cancel) => wire.ReadAsync(message, this, limit, Watch, cancel);

    /// <summary>The error for an answer that makes no sense.</summary>
    public RegistryError Unusable(string what) => wire.Unusable(message, what);

    /// <summary>What a client is told instead of content, with the upstream's own words if it sent any; disposes this answer.</summary>
    /// <param name="missing">What 404 means here, unless it is a page.</param>
    /// <param name="cancel">Ends reading its words.</param>
    public async Task<RegistryError> RefusalAsync(RegistryError missing, CancellationToken cancel)
    {
        if (IsPage)
        {
            using (this) return Unusable(Page);
        }

        var words = await ReadAsync(ErrorLimit, cancel);
        var detail = words.Value is { } content ? ErrorDocument.FirstMessage(content) : null;
        if (detail is not null && Credentials.Show(message.RequestMessage?.Headers.Authorization?.Parameter, detail)) detail = null;
        return Status switch
        {
            HttpStatusCode.Unauthorized => RegistryError.Unauthorized with { Detail = detail },
            HttpStatusCode.Forbidden => RegistryError.Denied with { Detail = detail },
            HttpStatusCode.NotFound => missing with { Detail = detail },
            _ => Unusable($"status {(int)Status}{(detail is null ? "" : ": " + detail)}"),
        };
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        message.Dispose();
        place.Dispose();
    }

    private void Close(bool isWhole)
    {
        if (isWhole) Dispose();
        else _ = BreakOffAsync();
    }

    private async Task BreakOffAsync()
    {
        message.Dispose();
        await wire.PauseAsync(Noticed);
        place.Dispose();
    }
}
