using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using Entrepot.FunctionalTests.Kit;
using Entrepot.Server;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Microsoft.Extensions.Time.Testing;

namespace Entrepot.FunctionalTests.Life;

/// <summary>What a listener does with a connection that would take one of the last descriptors.</summary>
public sealed class PatientListenersTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private readonly FakeTimeProvider _clock = new();
    private readonly ConcurrentQueue<SocketError> _refused = new();

    [Fact]
    public async Task Accept_DescriptorIsAmongTheLast_IsClosed_AndTheNextOneWaits()
    {
        await using var listener = await BindAsync(highest: 0);
        using var first = await ConnectAsync(listener);
        using var second = await ConnectAsync(listener);

        var accepted = listener.AcceptAsync().AsTask();

        Assert.Equal(0, await EndAsync(first));
        await Appliance.UntilAsync(() => Task.FromResult(_refused.Count == 1), () => "it is not told");
        var ended = EndAsync(second);
        Assert.False(ended.IsCompleted);   // the pause is not over yet
        await PassAsync(() => ended.IsCompleted);
        Assert.Equal(0, await ended);
        await Appliance.UntilAsync(() => Task.FromResult(_refused.Count == 2), () => "it is not told again");
        Assert.All(_refused, fault => Assert.Equal(SocketError.TooManyOpenSockets, fault));
        await listener.UnbindAsync();
        await PassAsync(() => accepted.IsCompleted);
        Assert.Null(await accepted);
    }

    [Fact]
    public async Task Accept_ManyDescriptorsAreLeft_IsAConnection()
    {
        await using var listener = await BindAsync(highest: long.MaxValue);
        using var client = await ConnectAsync(listener);

        await using var accepted = await listener.AcceptAsync().AsTask().WaitAsync(Patience);

        Assert.NotNull(accepted);
        Assert.Empty(_refused);
    }

    private ValueTask<IConnectionListener> BindAsync(long highest) =>
        new PatientListeners(Options.Create(new SocketTransportOptions()), NullLoggerFactory.Instance, _clock, highest, fault => _refused.Enqueue(fault.SocketErrorCode))
            .BindAsync(new IPEndPoint(IPAddress.Loopback, 0));

    private Task PassAsync(Func<bool> isOver) => Appliance.UntilAsync(
        () =>
        {
            _clock.Advance(TimeSpan.FromMilliseconds(100));
            return Task.FromResult(isOver());
        },
        () => "nothing happens as time passes");

    private static async Task<Socket> ConnectAsync(IConnectionListener listener)
    {
        var client = new Socket(SocketType.Stream, ProtocolType.Tcp);
        await client.ConnectAsync(listener.EndPoint);
        return client;
    }

    // The bytes that came until the other side closed: none.
    private static Task<int> EndAsync(Socket client) => client.ReceiveAsync(new byte[1]).WaitAsync(Patience);
}
