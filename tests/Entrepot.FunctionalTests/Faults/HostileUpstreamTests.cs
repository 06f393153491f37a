using System.IO.Compression;
using System.Text;
using Entrepot.FunctionalTests.Registry;
using Entrepot.FunctionalTests.Upstream;
using Entrepot.Oci;
using Entrepot.Pull;

namespace Entrepot.FunctionalTests.Faults;

/// <summary>An upstream that means harm: what it sends harms nobody, and it learns nothing that it is not to know.</summary>
public sealed class HostileUpstreamTests : UpstreamFaultTest
{
    private const string Section = "Hostile upstreams";
    private const int Much = 16 << 20;

    [Theory]
    [Fault("everything has other bytes than its digest says", "flip")]
    [Fault("Docker-Content-Digest names something else", "digest")]
    [Fault("every answer is longer than it says", "longer")]
    [Fault("every answer is shorter than it says", "shorter")]
    [Fault("every answer is packed and becomes 16 MiB of zeros", "gzip")]
    [Fault("every answer is 16 MiB of zeros", "zeros")]
    [Fault("every answer is a hundred thousand brackets deep", "deep")]
    [Fault("every answer has twenty thousand descriptors", "descriptors")]
    [Fault("every answer has strings that are not text", "surrogate")]
    [Fault("every answer has an encoding that nobody asked for", "encoding")]
    [Fault("headers of one megabyte", "headers")]
    [Fault("headers with line breaks, controls and foreign letters in what is passed on", "injection")]
    [Fault("cookies are set", "cookies")]
    [Fault("redirects to the addresses of cloud machines' credentials", "http://169.254.169.254/latest/meta-data/iam/")]
    [Fault("redirects to a private address", "http://10.255.255.1/")]
    [Fault("redirects to a private address written as a number", "http://0xAFFFF01/")]
    [Fault("redirects to a private address within one of IPv6", "http://[::ffff:192.168.0.1]/")]
    [Fault("redirects to a file", "file:///etc/passwd")]
    [Fault("redirects to an address with an account", "http://user:hunter2@10.0.0.1/")]
    public async Task Upstream_MeansHarm_DoesNone(string fault, string behaviour)
    {
        Registry.On(Ask.Anything, Behave(behaviour), TestRegistry.Always);
        await FailAsync(fault, Unhurried, one => one, Section);
        Assert.All(Registry.Log.All, request => Assert.Null(request.Header("Cookie")));
    }

    [Theory]
    [Fault("layers of no announced length that never end, of which a quarter of a small cache is taken")]
    public async Task Blob_NeverEnds_EvictsNobody(string fault)
    {
        Registry.On(Ask.Blob, (_, right) => right with { Status = 200, Body = Zeros, Framing = Framing.UntilClose, InBody = new Gate(Much - 1) }, TestRegistry.Always);
        await FailAsync(fault, Unhurried, one => one, Section, options => options with { Quota = QuotaSize.OfBytes(Much) });
    }

    [Theory]
    [Fault("its token service is at another domain", "https://tokens.example.net/token")]
    [Fault("its token service is at an address of cloud machines' credentials", "http://169.254.169.254/token")]
    [Fault("its token service is no address", "file:///etc/passwd")]
    public async Task TokenService_IsElsewhere_IsNotAsked(string fault, string realm)
    {
        Registry.On(Ask.Anything, Misbehave.Status(401, "WWW-Authenticate", $"Bearer realm=\"{realm}\",service=\"tokens\""), TestRegistry.Always);
        await FailAsync(fault, Unhurried, one => one with { Username = "joe", Password = "hunter2" }, Section);
        Assert.All(Registry.Log.All, request => Assert.Null(request.Header("Authorization")));
    }

    [Theory]
    [Fault("its token service redirects to another host")]
    public async Task TokenService_Redirects_IsNotFollowed(string fault)
    {
        var other = new TestRegistry();
        Servers.Push(other);
        Registry.RequireToken();
        Registry.On(Ask.Token, Misbehave.RedirectTo(new Uri(other.Url, "/token")), TestRegistry.Always);
        await FailAsync(fault, Unhurried, one => one with { Username = "joe", Password = "hunter2" }, Section);
        Assert.Empty(other.Log.All);
    }

    [Theory]
    [Fault("lists whose next page is at another host")]
    public async Task List_NextPageElsewhere_IsNotAsked(string fault)
    {
        var other = new TestRegistry();
        Servers.Push(other);
        var link = $"<{new Uri(other.Url, "/v2/org/app/tags/list?last=a")}>; rel=\"next\"";
        Registry.On(request => request.Path.Contains("/tags/", StringComparison.Ordinal) || request.Path.Contains("/referrers/", StringComparison.Ordinal), Misbehave.Header("Link", link), TestRegistry.Always);
        await FailAsync(fault, Unhurried, one => one, Section);
        Assert.Empty(other.Log.All);
    }

    [Theory]
    [Fault("interim answers without an end", "HTTP/1.1 103 Early Hints\r\n\r\n", 20_000)]
    [Fault("a status line of one megabyte", "HTTP/1.1 200 OK OK OK OK OK OK OK OK OK ", 26_000)]
    [Fault("the request comes back as the answer", "GET /v2/ HTTP/1.1\r\nAuthorization: Basic am9lOmh1bnRlcjI=\r\n\r\n", 1)]
    [Fault("headers that are none, with the account in them", "HTTP/1.1 200 OK\r\nBasic am9lOmh1bnRlcjI=\r\n\r\n", 1)]
    public async Task Upstream_SpeaksStrangely_DoesNoHarm(string fault, string answer, int times)
    {
        var server = new RawServer(string.Concat(Enumerable.Repeat(answer, times)), isSilentAfterwards: true);
        Servers.Push(server);
        await FailAsync(fault, OfAnswers, one => one with { Urls = [server.Address], Username = "joe", Password = "hunter2" }, Section);
    }

    private static Behaviour Behave(string behaviour) => behaviour switch
    {
        // These two so slowly that their bytes have been read before they are known to be wrong.
        "flip" => (request, right) => right.Body.Length > 0 ? Misbehave.All(Misbehave.FlipByte(0), Misbehave.Throttle(200_000))(request, right) : right,
        "digest" => Misbehave.Header("Docker-Content-Digest", Digest.Of("something else"u8).ToString()),
        "longer" => Misbehave.WrongLength(-10),
        "shorter" => Misbehave.WrongLength(10),
        "gzip" => (_, right) => (right with { Status = 200, Body = Packed }).With("Content-Encoding", "gzip"),
        "zeros" => (_, right) => right with { Status = 200, Body = Zeros, Framing = Framing.Chunked },
        "deep" => (_, right) => right with { Status = 200, Body = Encoding.ASCII.GetBytes(new string('[', 100_000)) },
        "descriptors" => (_, right) => right with { Status = 200, Body = Descriptors },
        "surrogate" => (_, right) => right with { Status = 200, Body = """{"mediaType":"\ud800","tags":["\ud800"],"manifests":[{"artifactType":"\udc00"}],"errors":[{"message":"\ud800"}]}"""u8.ToArray(), BytesPerSecond = 500 },
        "encoding" => Misbehave.Header("Content-Encoding", "br"),
        "headers" => (_, right) => right with { Headers = [.. right.Headers, .. Enumerable.Range(0, 1000).Select(i => ($"X{i}", new string('x', 1000)))] },
        "injection" => (_, right) => right.With("Content-Type", "application/json\r\n X-Injected: 1").With("Cache-Status", "x\u0001\"; hit").With("Age", "1\u00e9")
            .With("Docker-Content-Digest", "sha256:\u0001").With("Retry-After", "\u00fc").With("ETag", "\"a\u0001\"").With("Link", "<\u0001>; rel=next"),
        "cookies" => Misbehave.Header("Set-Cookie", "session=1; Path=/"),
        _ => (_, _) => new Reply(307).With("Location", behaviour),
    };

    private static byte[] Zeros { get; } = new byte[Much];

    private static byte[] Packed { get; } = Pack();

    private static byte[] Descriptors { get; } =
        Encoding.ASCII.GetBytes($"{{\"manifests\":[{string.Join(',', Enumerable.Repeat($"{{\"digest\":\"{Digest.Of([])}\"}}", 20_000))}]}}");

    private static byte[] Pack()
    {
        using var packed = new MemoryStream();
        using (var gzip = new GZipStream(packed, CompressionLevel.Fastest)) gzip.Write(Zeros);
        return packed.ToArray();
    }
}
