using System.Net;
using System.Net.Sockets;
using Entrepot.Server.Options;
using Entrepot.Server.ZeroCopy;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.Options;
using Serilog;

namespace Entrepot.Server.Edge;

/// <summary>Makes the HTTP servers, with every bound on what a client can send. They are their caller's to start and to dispose.</summary>
internal static class Listeners
{
    // Of an import: what arrives while a piece is hashed and written. With the little that others may send ahead, each piece would wait for the one before it.
    private const int ImportBuffer = 1 << 20;

    /// <summary>The registry API's, which runs handlers where their sockets' events are taken.</summary>
    public static WebApplication OfRegistry(
        EntrepotOptions options, HostParts parts, ConnectionLimits connections, ZeroCopyOutput output, Action<SocketException> refused) =>
        BuildWeb(options.Listen, options, parts, refused, isInline: true, _ => { }, listen =>
        {
            connections.UseFor(listen);
            output.UseFor(listen);
        });

    /// <summary>One for health, metrics and administrators, whose bundles are as large as what others pull.</summary>
    public static WebApplication OfAdmin(string address, EntrepotOptions options, HostParts parts, ZeroCopyOutput output, Action<SocketException> refused) =>
        BuildWeb([address], options, parts, refused, isInline: false, limits =>
        {
            limits.MaxConcurrentConnections = options.AdminConnections;
            limits.MaxRequestBufferSize = ImportBuffer;
        }, output.UseFor);

    /// <summary>Begins to listen.</summary>
    /// <returns>Where, with real ports.</returns>
    /// <exception cref="StartupException">The address cannot be had.</exception>
    public static async Task<IReadOnlyList<Uri>> BindAsync(WebApplication web, IEnumerable<string> addresses, CancellationToken cancel)
    {
        try
        {
            await web.StartAsync(cancel);
        }
        catch (IOException fault)   // its message names the address
        {
            throw new StartupException($"cannot listen: {fault.Message}", fault);
        }
        catch (SocketException fault)
        {
            throw new StartupException($"cannot listen on {string.Join(" or ", addresses)}: {fault.Message}", fault);
        }

        return [.. web.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Select(address => new Uri(address))];
    }

    // Servers of their own, so that health and metrics can still be asked while the registry's drains.
    // With isInline a request is handled where its socket's event was taken, and its handler goes elsewhere before it does anything that may block.
    private static WebApplication BuildWeb(
        IEnumerable<string> addresses, EntrepotOptions options, HostParts parts, Action<SocketException> refused, bool isInline, Action<KestrelServerLimits> bound,
        Action<ListenOptions> use)
    {
        // What is aborted ends with FIN. A reset takes from the client what it has not read yet, and containerd, which asks another host for the
        // rest where a connection ended early, gives up where it was reset. The announced length keeps such an end from passing for clean.
        AppContext.SetSwitch("Microsoft.AspNetCore.Server.Kestrel.FinOnError", true);

        // Where a line ends has one reading: a server in front that takes LF alone for a part of a line would see other requests than this one.
        AppContext.SetSwitch("Microsoft.AspNetCore.Server.Kestrel.DisableHttp1LineFeedTerminators", true);
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.Services.AddSerilog(parts.Log);
        builder.Services.Configure<SocketTransportOptions>(sockets => sockets.UnsafePreferInlineScheduling = isInline);
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = options.ShutdownTimeout);
        builder.Services.AddSingleton<IConnectionListenerFactory>(services => new PatientListeners(
            services.GetRequiredService<IOptions<SocketTransportOptions>>(), services.GetRequiredService<ILoggerFactory>(), parts.Clock, PatientListeners.HighestDescriptor(forOperators: !isInline), refused));
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestLineSize = options.RequestLineBytes;
            kestrel.Limits.MaxRequestHeadersTotalSize = options.HeaderBytes;
            kestrel.Limits.MaxRequestHeaderCount = options.HeaderCount;
            kestrel.Limits.MaxRequestBufferSize = options.RequestLineBytes + options.HeaderBytes;   // of requests that come before they are wanted
            kestrel.Limits.RequestHeadersTimeout = options.HeaderTimeout;
            kestrel.Limits.KeepAliveTimeout = options.IdleTimeout;
            kestrel.Limits.MaxRequestBodySize = 0;   // nothing is pushed here
            kestrel.Limits.MinResponseDataRate = new MinDataRate(options.MinRate, TimeSpan.FromSeconds(5));
            bound(kestrel.Limits);
            foreach (var text in addresses)
            {
                kestrel.Listen(Endpoint(text), listen =>
                {
                    listen.Protocols = HttpProtocols.Http1;
                    use(listen);
                });
            }
        });
        return builder.Build();
    }

    private static IPEndPoint Endpoint(string text) =>
        Parsers.TryParseEndpoint(text, out var endpoint) ? endpoint : throw new StartupException($"cannot listen on '{text}': it is not an address and a port");
}
