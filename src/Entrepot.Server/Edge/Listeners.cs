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

/// <summary>The HTTP servers, with every bound on what a client can send. They are their owner's to start and to dispose.</summary>
/// <remarks>They are made while the index is read, before there is anybody to handle requests or to be told of what is refused: both come before they are started.</remarks>
internal sealed class Listeners
{
    // Of an import: what arrives while a piece is hashed and written. With the little that others may send ahead, each piece would wait for the one before it.
    private const int ImportBuffer = 1 << 20;

    /// <summary>Makes them; nothing listens yet.</summary>
    /// <exception cref="StartupException">An address is none.</exception>
    public Listeners(EntrepotOptions options, HostParts parts)
    {
        Output = new ZeroCopyOutput(options.MinRate, parts.Clock, parts.Calls);
        Connections = new ConnectionLimits(
            DescriptorLimit.ConnectionsOf(options.Connections), options.ClientConnections, (why, client, count) => Refused(why, client, count), parts.Clock);
        Registry = BuildWeb(options.Listen, options, parts, isInline: true, _ => { }, listen =>
        {
            Connections.UseFor(listen);
            Output.UseFor(listen);
        });
        Admin = OfAdmin(options.Admin, options, parts);
        Metrics = options.Metrics is { } address ? OfAdmin(address, options, parts) : null;
    }

    /// <summary>The registry API's, which runs handlers where their sockets' events are taken.</summary>
    public WebApplication Registry { get; }

    /// <summary>That of health, metrics and administrators, whose bundles are as large as what others pull.</summary>
    public WebApplication Admin { get; }

    /// <summary>That of health and metrics alone, if there is one.</summary>
    public WebApplication? Metrics { get; }

    /// <summary>What counts the connections of the registry API.</summary>
    public ConnectionLimits Connections { get; }

    /// <summary>What sends files to clients.</summary>
    public ZeroCopyOutput Output { get; }

    /// <summary>Told of connections that were refused, see <see cref="ConnectionLimits"/>. Set before they are started; must return at once.</summary>
    public Action<ConnectionRefusal, IPAddress, long> Refused { get; set; } = (_, _, _) => { };

    /// <summary>Told that there was no descriptor for a client. Set before they are started; must return at once.</summary>
    public Action<SocketException> OutOfDescriptors { get; set; } = _ => { };

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

    private WebApplication OfAdmin(string address, EntrepotOptions options, HostParts parts) =>
        BuildWeb([address], options, parts, isInline: false, limits =>
        {
            limits.MaxConcurrentConnections = options.AdminConnections;
            limits.MaxRequestBufferSize = ImportBuffer;
        }, Output.UseFor);

    // Servers of their own, so that health and metrics can still be asked while the registry's drains.
    // With isInline a request is handled where its socket's event was taken, and its handler goes elsewhere before it does anything that may block.
    private WebApplication BuildWeb(
        IEnumerable<string> addresses, EntrepotOptions options, HostParts parts, bool isInline, Action<KestrelServerLimits> bound, Action<ListenOptions> use)
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
            services.GetRequiredService<IOptions<SocketTransportOptions>>(), services.GetRequiredService<ILoggerFactory>(), parts.Clock, PatientListeners.HighestDescriptor(forOperators: !isInline),
            fault => OutOfDescriptors(fault)));
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
