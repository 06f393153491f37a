using System.Globalization;
using System.Net.Sockets;
using System.Text;
using System.Text.RegularExpressions;

namespace Entrepot.FunctionalTests.Hostile;

/// <summary>An answer, read strictly.</summary>
internal sealed record StrictAnswer(int Status, IReadOnlyList<(string Name, string Value)> Headers, byte[] Body)
{
    /// <summary>Whether it is the last one of its connection, as it says itself.</summary>
    public bool EndsConnection => Header("Connection") == "close";

    public string? Header(string name) => Headers.FirstOrDefault(header => header.Name.Equals(name, StringComparison.OrdinalIgnoreCase)).Value;
}

/// <summary>A server reset its connection, and what it had written last is lost.</summary>
internal sealed class ResetInAnswerException() : Exception("the connection was reset in the middle of an answer");

/// <summary>Sends bytes on a connection of its own, and reads the answers to its end.</summary>
/// <remarks>
/// A server that closes without having read everything resets, and what it had written last may be lost then (RFC 9112, section 9.6). That is the sender's
/// own loss, and told apart.
/// </remarks>
internal static partial class StrictClient
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    /// <summary>The answers, each with a length of its own and nothing after the last one.</summary>
    /// <param name="server">Where to.</param>
    /// <param name="pieces">What is sent, one piece after the other.</param>
    /// <param name="methods">The methods of the requests that a strict reader sees: answers to HEAD have no body.</param>
    /// <param name="count">How many of them are whole: the client waits for so many answers.</param>
    /// <param name="waitsForEnd">Whether the server has to end the connection; otherwise the client does, when there is an answer to each request.</param>
    /// <exception cref="ResetInAnswerException">The server reset the connection, and an answer is lost in part.</exception>
    public static async Task<IReadOnlyList<StrictAnswer>> SendAsync(Uri server, IEnumerable<byte[]> pieces, IReadOnlyList<string> methods, int count, bool waitsForEnd)
    {
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(server.Host, server.Port);
        var sending = SendAsync(socket, pieces);
        var answers = await ReadAsync(socket, methods, count, waitsForEnd, sending).WaitAsync(Patience);
        await sending.WaitAsync(Patience);
        return answers;
    }

    /// <summary>The statuses of whatever answers come until the server ends the connection, which the client does not wait to do.</summary>
    public static async Task<IReadOnlyList<int>> StatusesAsync(Uri server, IEnumerable<byte[]> pieces)
    {
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(server.Host, server.Port);
        var sending = SendAsync(socket, pieces).ContinueWith(_ => EndSending(socket), TaskScheduler.Default);
        var text = new StringBuilder();
        var buffer = new byte[64 << 10];
        for (int count; (count = await ReceiveAsync(socket, buffer).WaitAsync(Patience)) > 0;) text.Append(Encoding.Latin1.GetString(buffer, 0, count));
        await sending.WaitAsync(Patience);
        return [.. StatusLine().Matches(text.ToString()).Select(match => int.Parse(match.Groups[1].ValueSpan, NumberStyles.None, CultureInfo.InvariantCulture))];
    }

    [GeneratedRegex(@"(?:^|\n|\})HTTP/1\.1 (\d{3}) ")]
    private static partial Regex StatusLine();

    private static async Task SendAsync(Socket socket, IEnumerable<byte[]> pieces)
    {
        try
        {
            foreach (var piece in pieces)
            {
                for (var at = 0; at < piece.Length;) at += await socket.SendAsync(piece.AsMemory(at));
            }
        }
        catch (SocketException)
        {
            // The server has seen enough and closed.
        }
    }

    private static async Task<List<StrictAnswer>> ReadAsync(Socket socket, IReadOnlyList<string> methods, int wanted, bool waitsForEnd, Task sending)
    {
        var answers = new List<StrictAnswer>();
        var unread = new List<byte>();
        var buffer = new byte[64 << 10];
        var isDone = false;
        while (true)
        {
            while (TryTake(unread, answers.Count < methods.Count ? methods[answers.Count] : "", out var answer)) answers.Add(answer);
            if (!isDone && !waitsForEnd && answers.Count >= wanted)
            {
                isDone = true;
                await sending;
                EndSending(socket);
            }

            var count = await ReceiveAsync(socket, buffer);
            if (count < 0 && unread.Count > 0) throw new ResetInAnswerException();
            if (count <= 0) break;
            unread.AddRange(buffer.AsSpan(0, count));
        }

        // Who speaks HTTP/2 is told in its own language (a GOAWAY frame) that it is not spoken here.
        if (unread is [0, 0, 8, 7, ..]) return answers;
        Assert.True(unread.Count == 0, $"an answer broke off, or is none: {Encoding.Latin1.GetString([.. unread.Take(500)])}");
        return answers;
    }

    private static void EndSending(Socket socket)
    {
        try
        {
            socket.Shutdown(SocketShutdown.Send);
        }
        catch (SocketException)
        {
            // It has ended already.
        }
    }

    // -1 for a reset.
    private static async Task<int> ReceiveAsync(Socket socket, byte[] buffer)
    {
        try
        {
            return await socket.ReceiveAsync(buffer);
        }
        catch (SocketException)
        {
            return -1;
        }
    }

    private static bool TryTake(List<byte> unread, string method, out StrictAnswer answer)
    {
        answer = null!;
        var end = System.Runtime.InteropServices.CollectionsMarshal.AsSpan(unread).IndexOf("\r\n\r\n"u8);
        if (end < 0) return false;

        var lines = Encoding.Latin1.GetString([.. unread.Take(end)]).Split("\r\n");
        Assert.StartsWith("HTTP/1.1 ", lines[0], StringComparison.Ordinal);
        var status = int.Parse(lines[0].AsSpan(9, 3), NumberStyles.None, CultureInfo.InvariantCulture);
        var headers = lines.Skip(1).Select(line => (Name: line[..line.IndexOf(": ", StringComparison.Ordinal)], Value: line[(line.IndexOf(": ", StringComparison.Ordinal) + 2)..])).ToList();
        var lengths = headers.Where(header => header.Name == "Content-Length").ToList();
        var isBare = method == "HEAD" || status == 304;
        Assert.True(lengths.Count == 1 || (isBare && lengths.Count == 0), $"{status} has {lengths.Count} lengths");
        var length = isBare ? 0 : int.Parse(lengths[0].Value, NumberStyles.None, CultureInfo.InvariantCulture);
        if (unread.Count < end + 4 + length) return false;

        answer = new StrictAnswer(status, headers, [.. unread.Skip(end + 4).Take(length)]);
        unread.RemoveRange(0, end + 4 + length);
        return true;
    }
}
