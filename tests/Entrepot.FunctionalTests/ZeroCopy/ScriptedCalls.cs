using System.Collections.Concurrent;
using System.Net.Sockets;
using Entrepot.Server.ZeroCopy;
using Microsoft.Win32.SafeHandles;

namespace Entrepot.FunctionalTests.ZeroCopy;

/// <summary>The calls of output, with faults where a test says. Safe for concurrent use.</summary>
internal sealed class ScriptedCalls : SocketCalls
{
    /// <summary>Asked before each range is sent, with the socket and the file's offset; a number below zero is what the call answers, without having sent anything.</summary>
    public Func<SafeSocketHandle, long, int> BeforeFile { get; set; } = (_, _) => 0;

    /// <summary>How sockets were corked (true) and uncorked, in order.</summary>
    public ConcurrentQueue<bool> Corks { get; } = [];

    public override void Cork(SafeSocketHandle socket, bool isOn)
    {
        Corks.Enqueue(isOn);
        base.Cork(socket, isOn);
    }

    public override int SendFile(SafeSocketHandle socket, SafeFileHandle file, long offset, int count)
    {
        var answer = BeforeFile(socket, offset);
        return answer < 0 ? answer : base.SendFile(socket, file, offset, count);
    }
}
