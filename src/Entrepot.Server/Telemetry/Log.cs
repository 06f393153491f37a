using Entrepot.Oci;
using Entrepot.Pull;
using Entrepot.Server.Edge;
using Entrepot.Upstream;

namespace Entrepot.Server.Telemetry;

/// <summary>Every line that the running appliance can log. Ids are never reused: alerts are written against them.</summary>
internal static partial class Log
{
    /// <summary>One line for each answered request: hits are Debug, work for an upstream is Information, trouble is a Warning.</summary>
    public static void Answered(ILogger log, Exchange exchange)
    {
        var level = exchange.Source switch
        {
            PullSource.Fetched or PullSource.Bypass => LogLevel.Information,

            // Nobody has to act on an upstream that is told to be left alone, or that answers a little later.
            PullSource.Stale => exchange.Detail is Freshness.WhenOffline or Freshness.WhenSlow ? LogLevel.Information : LogLevel.Warning,
            PullSource.Failed when exchange.Status >= 500 => LogLevel.Warning,
            _ => LogLevel.Debug,
        };
        if (!log.IsEnabled(level)) return;
        var milliseconds = exchange.Elapsed.TotalMilliseconds;
        var source = CacheMetrics.NameOf(exchange.Source);
        if (exchange.Refusal is { } reason) Refused(log, level, exchange.Request.Method, exchange.Request.Path, exchange.Status, source, milliseconds, reason);
        else Answered(log, level, exchange.Request.Method, exchange.Request.Path, exchange.Status, source, exchange.Sent, milliseconds);
    }

    /// <summary>One line for each fetch that goes on with what there is: work for an upstream. Of lazy clients each pause is one, and goes without saying.</summary>
    public static void Resumed(ILogger log, Fetch fetch)
    {
        if (fetch.Size is { } size) FetchResumed(log, fetch.Rules.Fill is FillMode.Touched ? LogLevel.Debug : LogLevel.Information, fetch.Leader, fetch.Arrived, size);
    }

    /// <summary>One line for each fetch that has ended.</summary>
    public static void Ended(ILogger log, FetchEnd end)
    {
        if (end is { IsStopped: true, IsKept: true }) FetchStopped(log, end.Reference, end.Bytes, end.Size!.Value);
        else if (end is { Rested: true, IsKept: true }) FetchRested(log, end.Reference, end.Bytes, end.Size!.Value);
        else if (end.IsStopped || end.IsDeserted || end.Rested) FetchDropped(log, end.Reference, end.Bytes);
        else if (end.Error is { } error) FetchFailed(log, end.Fault, end.Reference, end.Bytes, $"{error.Detail ?? error.Message}{(end.IsKept ? "; what has arrived is kept" : "")}");
        else Fetched(log, end.Reference, end.Bytes);
    }

    /// <summary>One line when an address is found dead, and one when it lives again; none for each time that it is found out in between.</summary>
    public static void Circuit(ILogger log, CircuitChange change, TimeSpan pause)
    {
        var address = change.Address.GetLeftPart(UriPartial.Authority);
        if (change.Why is { } why) CircuitOpened(log, change.Upstream, address, pause.TotalSeconds, why);
        else CircuitClosed(log, change.Upstream, address);
    }

    [LoggerMessage(101, LogLevel.Debug, "{Path}: the client left after {Sent} bytes")]
    public static partial void ClientLeft(ILogger log, PathString path, long sent);

    [LoggerMessage(105, LogLevel.Information, "{Path}: the client was given up after {Sent} bytes: it reads less than limits.minRate")]
    public static partial void ClientTooSlow(ILogger log, PathString path, long sent);

    [LoggerMessage(106, LogLevel.Warning, "Connections are refused, now one of {Client}: {Option} allows {Most}; {Count} since the start")]
    public static partial void ConnectionRefused(ILogger log, System.Net.IPAddress client, string option, int most, long count);

    [LoggerMessage(107, LogLevel.Warning, "limits.connections is {Connections}, but this process may have only {Limit} descriptors: it serves {Room} connections at once, closes further ones, and fetches {Fetches} blobs at once. "
        + "Raise its limit (systemd: LimitNOFILE, docker: --ulimit nofile), or lower limits.connections")]
    public static partial void FewDescriptors(ILogger log, int connections, long limit, long room, int fetches);

    [LoggerMessage(102, LogLevel.Warning, "{Path}: the response was aborted after {Sent} bytes: {Reason}")]
    public static partial void ResponseAborted(ILogger log, PathString path, long sent, string reason);

    [LoggerMessage(103, LogLevel.Error, "{Path}: the store failed")]
    public static partial void StoreFault(ILogger log, Exception fault, PathString path);

    [LoggerMessage(201, LogLevel.Warning, "Fetch of {Reference} failed after {Bytes} bytes: {Reason}")]
    public static partial void FetchFailed(ILogger log, Exception? fault, Reference reference, long bytes, string reason);

    [LoggerMessage(202, LogLevel.Debug, "Fetched {Reference}, {Bytes} bytes")]
    public static partial void Fetched(ILogger log, Reference reference, long bytes);

    [LoggerMessage(EventId = 203, Message = "Goes on with the fetch of {Reference}: {Bytes} of {Size} bytes are there")]
    public static partial void FetchResumed(ILogger log, LogLevel level, Reference reference, long bytes, long size);

    [LoggerMessage(204, LogLevel.Debug, "Nobody reads {Reference} any longer: {Bytes} of {Size} bytes are kept")]
    public static partial void FetchRested(ILogger log, Reference reference, long bytes, long size);

    [LoggerMessage(205, LogLevel.Information, "Fetch of {Reference} stopped: {Bytes} of {Size} bytes are kept for the next one")]
    public static partial void FetchStopped(ILogger log, Reference reference, long bytes, long size);

    [LoggerMessage(206, LogLevel.Information, "Fetch of {Reference} stopped after {Bytes} bytes, of which none is kept")]
    public static partial void FetchDropped(ILogger log, Reference reference, long bytes);

    [LoggerMessage(207, LogLevel.Warning, "{Upstream} ({Address}) failed repeatedly and is asked only every {Seconds} s: {Why}")]
    private static partial void CircuitOpened(ILogger log, string upstream, string address, double seconds, string why);

    [LoggerMessage(208, LogLevel.Information, "{Upstream} ({Address}) answers again")]
    private static partial void CircuitClosed(ILogger log, string upstream, string address);

    [LoggerMessage(301, LogLevel.Error, "{Reference} was served but could not be kept")]
    public static partial void NotKept(ILogger log, Exception fault, Reference reference);

    [LoggerMessage(302, LogLevel.Warning, "The file of {Digest} was not what its name says and has been removed")]
    public static partial void FalseFile(ILogger log, Digest digest);

    [LoggerMessage(303, LogLevel.Warning, "{Count} records could not be read and were passed over; what they told is asked for again")]
    public static partial void SpoiltRecords(ILogger log, int count);

    [LoggerMessage(304, LogLevel.Information, "Evicted {Blobs} blobs, {Bytes} bytes on disk, to make room")]
    public static partial void Evicted(ILogger log, int blobs, long bytes);

    [LoggerMessage(305, LogLevel.Error, "The store cannot be measured; nothing new is cached until it can, which is tried again")]
    public static partial void StoreUnmeasured(ILogger log, Exception fault);

    [LoggerMessage(306, LogLevel.Warning, "Index and records could not be measured; the quota counts what they took before")]
    public static partial void OverheadUnmeasured(ILogger log, Exception fault);

    [LoggerMessage(307, LogLevel.Warning, "The index could not be written down; the one before it stays")]
    public static partial void CheckpointFailed(ILogger log, Exception fault);

    [LoggerMessage(308, LogLevel.Warning, "{Warning}")]
    public static partial void IndexLost(ILogger log, string warning);

    [LoggerMessage(309, LogLevel.Warning, "{Count} files under blobs/ are not of this cache and are left alone, for example {Path}")]
    public static partial void ForeignFiles(ILogger log, int count, string path);

    [LoggerMessage(310, LogLevel.Warning, "The index could not be compared with the directory to the end")]
    public static partial void Unreconciled(ILogger log, Exception fault);

    [LoggerMessage(311, LogLevel.Warning, "{Digest} could not be read to be verified; it stays")]
    public static partial void Unverified(ILogger log, Exception fault, Digest digest);

    [LoggerMessage(312, LogLevel.Error, "{Method} {Path}: the store failed")]
    public static partial void AdminFault(ILogger log, Exception fault, string method, PathString path);

    [LoggerMessage(313, LogLevel.Error, "The store fails ({Reason}): {Why}. What is not stored is passed through and not kept until that has ended")]
    public static partial void StoreFails(ILogger log, string reason, string why);

    [LoggerMessage(314, LogLevel.Information, "The store is well again after {Seconds:0.0} s; caching goes on")]
    public static partial void StoreIsWell(ILogger log, double seconds);

    [LoggerMessage(315, LogLevel.Error, "{Digest} could not be read to be served; it is looked at, and dropped if it is lost")]
    public static partial void Unread(ILogger log, Exception fault, Digest digest);

    [LoggerMessage(316, LogLevel.Information, "{Digest} was fetched again after it had been found wrong")]
    public static partial void Restored(ILogger log, Digest digest);

    [LoggerMessage(317, LogLevel.Warning, "{Digest} was found wrong, and could not be fetched again at once; the next pull asks for it")]
    public static partial void NotRestored(ILogger log, Digest digest);

    [LoggerMessage(318, LogLevel.Information, "Scrubbed {Blobs} blobs, {Bytes} bytes: {Wrong} were wrong, {Unreadable} could not be read")]
    public static partial void Scrubbed(ILogger log, long blobs, long bytes, int wrong, long unreadable);

    [LoggerMessage(319, LogLevel.Warning, "The scrub stopped, and goes on later")]
    public static partial void ScrubFailed(ILogger log, Exception fault);

    [LoggerMessage(402, LogLevel.Information, "Options read again: the quota is {Bytes} bytes")]
    public static partial void Reloaded(ILogger log, long bytes);

    [LoggerMessage(403, LogLevel.Information, "Upstreams are read again: added {Added}, changed {Changed}, removed {Removed}")]
    public static partial void UpstreamsReplaced(ILogger log, IReadOnlyList<string> added, IReadOnlyList<string> changed, IReadOnlyList<string> removed);

    [LoggerMessage(404, LogLevel.Warning, "Changed options that take effect at the next start only: {Options}")]
    public static partial void NeedRestart(ILogger log, string options);

    [LoggerMessage(411, LogLevel.Information, "Warmed {Images} images of {File}: {Fetched} fetched, {Failed} problems, {Bytes} bytes")]
    public static partial void Warmed(ILogger log, string file, int images, int fetched, int failed, long bytes);

    [LoggerMessage(412, LogLevel.Warning, "Warming from {File}: {Problem}")]
    public static partial void NotWarmed(ILogger log, string file, string problem);

    [LoggerMessage(401, LogLevel.Information, "Stopping: running responses have {Seconds} s to end")]
    public static partial void Stopping(ILogger log, double seconds);

    [LoggerMessage(EventId = 104, Message = "{Method} {Path} {Status} {Source} in {Milliseconds:0.0} ms: {Reason}")]
    private static partial void Refused(ILogger log, LogLevel level, string method, PathString path, int status, string source, double milliseconds, string reason);

    [LoggerMessage(EventId = 100, Message = "{Method} {Path} {Status} {Source} {Sent} bytes in {Milliseconds:0.0} ms")]
    private static partial void Answered(ILogger log, LogLevel level, string method, PathString path, int status, string source, long sent, double milliseconds);
}
