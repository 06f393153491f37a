using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Entrepot.FunctionalTests.Upstream;

/// <summary>A socket that answers every request with given bytes, right or wrong, and then closes or falls silent.</summary>
internal sealed class RawServer : IAsyncDisposable
{
    private static readonly TimeSpan DripEvery = TimeSpan.FromMilliseconds(20);

    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _end = new();
    private readonly byte[] _answer;
    private readonly bool _isSilentAfterwards;
    private readonly bool _resets;
    private readonly bool _isHasty;
    private readonly bool _drips;
    private readonly Task _accepting;
    private readonly TaskCompletionSource _asked = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _requests;

    /// <param name="answer">What is sent, in Latin-1.</param>
    /// <param name="isSilentAfterwards">Whether it keeps the connection then.</param>
    /// <param name="resets">Whether it resets the connection rather than closing it.</param>
    /// <param name="isHasty">Whether the first bytes are as good as a request, of whatever protocol.</param>
    /// <param name="drips">Whether it sends one byte more after the other then, without end.</param>
    public RawServer(string answer, bool isSilentAfterwards = false, bool resets = false, bool isHasty = false, bool drips = false)
    {
        (_answer, _isSilentAfterwards, _resets, _isHasty, _drips) = (Encoding.Latin1.GetBytes(answer), isSilentAfterwards, resets, isHasty, drips);
        _listener.Start();
        _accepting = AcceptAsync();
    }

    public Uri Address => new($"http://{_listener.LocalEndpoint}");

    /// <summary>Ends when the first request has arrived.</summary>
    public Task Asked => _asked.Task;

    public int Requests => Volatile.Read(ref _requests);

    public async ValueTask DisposeAsync()
    {
        await _end.CancelAsync();
        await _accepting;
        _listener.Dispose();
        _end.Dispose();
    }

    private async Task AcceptAsync()
    {
        var answering = new List<Task>();
        try
        {
            while (true) answering.Add(AnswerAsync(await _listener.AcceptSocketAsync(_end.Token)));
        }
        catch (OperationCanceledException)
        {
            await Task.WhenAll(answering);
        }
    }

    private async Task AnswerAsync(Socket socket)
    {
        using var owned = socket;
        try
        {
            var buffer = new byte[16 << 10];
            var length = 0;
            while (length == 0 || (!_isHasty && !buffer.AsSpan(0, length).EndsWith("\r\n\r\n"u8)))
            {
                var count = await socket.ReceiveAsync(buffer.AsMemory(length), _end.Token);
                if (count == 0) return;
                length += count;
            }

            Interlocked.Increment(ref _requests);
            _asked.TrySetResult();
            await socket.SendAsync(_answer, _end.Token);
            if (_drips) await DripAsync(socket);
            if (_isSilentAfterwards) await socket.ReceiveAsync(buffer, _end.Token);
            if (_resets) socket.LingerState = new LingerOption(true, 0);
            else socket.Shutdown(SocketShutdown.Both);
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException)
        {
            // The test is over, or the client has left.
        }
    }

    private async Task DripAsync(Socket socket)
    {
        using var pace = new PeriodicTimer(DripEvery);
        while (await pace.WaitForNextTickAsync(_end.Token)) await socket.SendAsync("x"u8.ToArray(), _end.Token);
    }
}
