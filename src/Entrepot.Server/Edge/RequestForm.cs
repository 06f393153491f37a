using System.Buffers;
using Entrepot.Oci;

namespace Entrepot.Server.Edge;

/// <summary>What is demanded of a request's form beyond what Kestrel demands. Pure.</summary>
/// <remarks>
/// Methods are told apart by the case of their letters (RFC 9110, section 9.1): <c>HeAD</c> is none of ours, and to Kestrel its answer has a body.
/// <para>
/// No request here has a body. One that announces one is refused, and its connection ends: where such a body ends can be read in two ways, by a length and by a
/// transfer coding, and what another server in front takes for a body must never be answered as a request (RFC 9112, section 11.2).
/// </para>
/// <para>
/// A header's name is a token (RFC 9110, section 5.1). To Kestrel almost anything is one: what another server in front takes for a length, since it reads names
/// generously, would be a stranger's header here, and its body a request.
/// </para>
/// </remarks>
internal static class RequestForm
{
    private static readonly RegistryError HasBody = new(400, "UNSUPPORTED", "a request of this API has no body", "Content-Length is 0 or left out, and there is no Transfer-Encoding");

    private static readonly RegistryError HasStrangeName = new(400, "UNSUPPORTED", "a header's name is not one", "letters, digits and !#$%&'*+-.^_`|~");
    private static readonly SearchValues<char> Token = SearchValues.Create("!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");

    /// <summary>Whether a method asks for headers alone.</summary>
    public static bool IsHead(string method) => method is "HEAD";

    /// <summary>Whether a method changes nothing.</summary>
    public static bool IsRead(string method) => method is "GET" or "HEAD";

    /// <summary>Why a request of the registry API is refused before it is read; <see langword="null"/> if it is not.</summary>
    /// <param name="request">The request.</param>
    /// <param name="endsConnection">Whether nothing that follows on its connection may be read.</param>
    public static RegistryError? Objection(HttpRequest request, out bool endsConnection)
    {
        endsConnection = true;
        foreach (var header in request.Headers)
        {
            if (header.Key.AsSpan().ContainsAnyExcept(Token)) return HasStrangeName;
        }

        endsConnection = request.ContentLength is > 0 || request.Headers.TransferEncoding.Count > 0;
        if (!IsRead(request.Method)) return RegistryError.Unsupported;
        return endsConnection ? HasBody : null;
    }
}
