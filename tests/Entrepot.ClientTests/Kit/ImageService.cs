using System.Buffers.Binary;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text;

namespace Entrepot.ClientTests.Kit;

/// <summary>The image service of the container runtime interface (CRI), asked as a kubelet asks it: gRPC over a Unix socket.</summary>
/// <remarks>No message that is needed here has more than one field, so that they are written by hand. Safe for concurrent use.</remarks>
internal sealed class ImageService(string socket) : IDisposable
{
    // Field 1, a length and bytes: the wire form of "image", in a request, and of its name in that.
    private const byte FirstField = 0x0a;
    private const int FrameHeader = 5;

    private readonly HttpClient _client = new(new SocketsHttpHandler
    {
        UseProxy = false,
        ConnectCallback = async (_, cancel) =>
        {
            var connection = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            await connection.ConnectAsync(new UnixDomainSocketEndPoint(socket), cancel);
            return new NetworkStream(connection, ownsSocket: true);
        },
    })
    { Timeout = TimeSpan.FromMinutes(2) };

    /// <summary>Pulls an image.</summary>
    /// <exception cref="InvalidOperationException">The runtime could not.</exception>
    public Task PullAsync(string image) => CallAsync("PullImage", image);

    /// <summary>Removes an image with what only it needs.</summary>
    /// <exception cref="InvalidOperationException">The runtime could not.</exception>
    public Task RemoveAsync(string image) => CallAsync("RemoveImage", image);

    public void Dispose() => _client.Dispose();

    private async Task CallAsync(string method, string image)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, $"http://localhost/runtime.v1.ImageService/{method}")
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = new ByteArrayContent(Frame(Field(Field(Encoding.UTF8.GetBytes(image))))),
        };
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/grpc");
        request.Headers.TE.Add(new TransferCodingWithQualityHeaderValue("trailers"));
        using var answer = await _client.SendAsync(request);
        await answer.Content.CopyToAsync(Stream.Null);

        // An answer without a message has its status among the headers.
        var status = Value(answer.TrailingHeaders, "grpc-status") ?? Value(answer.Headers, "grpc-status");
        if (status == "0") return;
        throw new InvalidOperationException($"{method} {image}: status {status}: {Value(answer.TrailingHeaders, "grpc-message") ?? Value(answer.Headers, "grpc-message")}");
    }

    private static byte[] Frame(byte[] message)
    {
        var frame = new byte[FrameHeader + message.Length];
        BinaryPrimitives.WriteInt32BigEndian(frame.AsSpan(1), message.Length);
        message.CopyTo(frame, FrameHeader);
        return frame;
    }

    // Up to 127 bytes: one byte of length.
    private static byte[] Field(byte[] bytes)
    {
        Assert.InRange(bytes.Length, 0, 127);
        return [FirstField, (byte)bytes.Length, .. bytes];
    }

    private static string? Value(HttpHeaders headers, string name) => headers.TryGetValues(name, out var values) ? values.Single() : null;
}
