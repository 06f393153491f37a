using System.Net;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using Entrepot.Server.Edge;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.Options;

namespace Entrepot.Server;

/// <summary>Kestrel's sockets, with a wait in their loop: where the system has no descriptor or memory left for one more connection, it is asked again a little later.</summary>
/// <remarks>
/// Kestrel's own listener takes every failure of an accept for a client that has left again, and tries the next one at once. At the limit of descriptors that fails at once, too, with
/// the same client: it was seen to take a whole processor until somebody hangs up. Safe for concurrent use; a listener is its server's.
/// </remarks>
/// <param name="options">How sockets are made.</param>
/// <param name="logs">Where the transport's own lines go.</param>
/// <param name="clock">The time.</param>
/// <param name="highest">A connection whose descriptor has this number or a higher one is closed: the system gives the lowest number that is free, so that few are left then.</param>
/// <param name="refused">Told when the system refuses, each time; must return at once.</param>
internal sealed class PatientListeners(IOptions<SocketTransportOptions> options, ILoggerFactory logs, TimeProvider clock, long highest, Action<SocketException> refused) : IConnectionListenerFactory
{
    // Clients never get the last descriptors: a runtime without any cannot load what it has not used yet, remembers that it could not, and was seen to end itself.
    private const int Kept = 256;

    // Operators get more of them: they come to see what is wrong.
    private const int KeptFromOperators = 64;

    // Ten accepts a second that fail cost nothing; a client that has waited for minutes does not notice.
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(100);

    /// <inheritdoc/>
    public ValueTask<IConnectionListener> BindAsync(EndPoint endpoint, CancellationToken cancellationToken = default)
    {
        var socket = Bound(() => options.Value.CreateBoundListenSocket(endpoint));
        try
        {
            socket.Listen(options.Value.Backlog);
            var contexts = new SocketConnectionContextFactory(
                OptionsOf(options.Value), logs.CreateLogger("Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets"));
            return new(new Listener(socket, contexts, options.Value.NoDelay, highest, clock, refused));
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    // As Kestrel's own makes them. What it can be told besides (that aborted connections end with FIN) has no other way to get there.
    [UnsafeAccessor(UnsafeAccessorKind.Constructor)]
    private static extern SocketConnectionFactoryOptions OptionsOf(SocketTransportOptions options);

    // The same.
    private static Socket Bound(Func<Socket> bind)
    {
        try
        {
            return bind();
        }
        catch (SocketException busy) when (busy.SocketErrorCode is SocketError.AddressAlreadyInUse)
        {
            throw new AddressInUseException(busy.Message, busy);
        }
    }

    /// <summary>The number of a descriptor from which on few are left under this process's limit.</summary>
    /// <param name="forOperators">Whether it is for the admin listener, which is reached for longer than the registry.</param>
    public static long HighestDescriptor(bool forOperators) => DescriptorLimit.Find() is not { } limit ? long.MaxValue
        : forOperators ? limit - Math.Min(KeptFromOperators, limit / 16)
        : limit - Math.Min(Kept, limit / 4);

    private static bool IsShortage(SocketException fault) => fault.SocketErrorCode is SocketError.TooManyOpenSockets or SocketError.NoBufferSpaceAvailable;

    private sealed class Listener(Socket socket, SocketConnectionContextFactory contexts, bool noDelay, long highest, TimeProvider clock, Action<SocketException> refused) : IConnectionListener
    {
        public EndPoint EndPoint { get; } = socket.LocalEndPoint!;

        public async ValueTask<ConnectionContext?> AcceptAsync(CancellationToken cancellationToken = default)
        {
            while (true)
            {
                try
                {
                    var accepted = await socket.AcceptAsync(cancellationToken);
                    if (accepted.Handle >= highest)
                    {
                        accepted.Dispose();
                        throw new SocketException((int)SocketError.TooManyOpenSockets);
                    }

                    if (accepted.LocalEndPoint is IPEndPoint) accepted.NoDelay = noDelay;
                    return contexts.Create(accepted);
                }
                catch (ObjectDisposedException)
                {
                    return null;   // unbound
                }
                catch (SocketException ended) when (ended.SocketErrorCode is SocketError.OperationAborted)
                {
                    return null;   // the same
                }
                catch (SocketException shortage) when (IsShortage(shortage))
                {
                    refused(shortage);
                    await Task.Delay(Pause, clock, cancellationToken);
                }
                catch (SocketException)
                {
                    // The client left before it was taken: the next one.
                }
            }
        }

        public ValueTask UnbindAsync(CancellationToken cancellationToken = default)
        {
            socket.Dispose();
            return default;
        }

        public ValueTask DisposeAsync()
        {
            socket.Dispose();
            contexts.Dispose();
            return default;
        }
    }
}
