using System.Net;
using System.Net.Sockets;
using Entrepot.FunctionalTests.Upstream;

namespace Entrepot.FunctionalTests.Faults;

/// <summary>An upstream that does not get as far as an answer.</summary>
public sealed class ConnectionFaultTests : UpstreamFaultTest
{
    [Theory]
    [Fault("its name is not resolved", "no name")]
    [Fault("connections are refused", "nobody")]
    [Fault("connections are not answered", "full")]
    [Fault("connections are reset at once", "reset")]
    [Fault("connections are closed without an answer", "close")]
    [Fault("the TLS handshake is not answered", "tls silent")]
    [Fault("the connection is reset in the TLS handshake", "tls reset")]
    [Fault("TLS is answered with something else", "tls garbage")]
    [Fault("something else than HTTP is answered", "garbage")]
    [Fault("the answer's headers break off", "half a header")]
    public async Task Connection_Fails_WhatIsKnownIsServed(string fault, string server)
    {
        var broken = await ServeAsync(server);
        await FailAsync(fault, OfConnecting, one => one with { Urls = [broken] });
    }

    private async Task<Uri> ServeAsync(string server)
    {
        switch (server)
        {
            case "no name":
                return new Uri($"http://{new string('x', 64)}.invalid");   // longer than names are: no resolver has to be asked
            case "nobody":
                using (var listener = new TcpListener(IPAddress.Loopback, 0))
                {
                    listener.Start();
                    return new Uri($"http://{listener.LocalEndpoint}");
                }
            case "full":
                var full = new FullListener();
                Servers.Push(full);
                return full.Address;
            case "reset":
                return Raw("", resets: true);
            case "close":
                return Raw("");
            case "tls silent":
                return new Uri($"https://{Raw("").Authority}");
            case "tls reset":
                return new Uri($"https://{Raw("", resets: true, isHasty: true).Authority}");
            case "tls garbage":
                var plain = await LoopbackServer.StartAsync(_ => Task.CompletedTask);
                Servers.Push(plain);
                return new Uri($"https://{plain.Address.Authority}");
            case "garbage":
                return Raw("SSH-2.0-OpenSSH_9.2\r\n");
            default:
                return Raw("HTTP/1.1 200 OK\r\nContent-Le");
        }
    }

    private Uri Raw(string answer, bool resets = false, bool isHasty = false)
    {
        var server = new RawServer(answer, resets: resets, isHasty: isHasty);
        Servers.Push(server);
        return server.Address;
    }
}
