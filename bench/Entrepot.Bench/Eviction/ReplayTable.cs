using System.Globalization;
using Entrepot.Pull;

namespace Entrepot.Bench;

/// <summary>Replays traces against each policy at several sizes of the cache, and prints a table for each trace and one for all.</summary>
internal sealed class ReplayTable(TextWriter output)
{
    private static readonly int[] Percents = [1, 5, 10, 25];

    private static readonly IReadOnlyList<(string Name, Func<EvictionPolicy> New)> Policies =
    [
        ("lru", () => new LruPolicy()),
        ("adaptive", () => new AdaptivePolicy()),
        ("ARC", () => new ArcPolicy()),
        ("SIEVE", () => new SievePolicy()),
        ("S3-FIFO", () => new S3FifoPolicy()),
        ("GDSF", () => new GdsfPolicy(exponent: 1)),
        ("LFU-DA", () => new GdsfPolicy(exponent: 0)),
        ("W-TinyLFU, size-aware", () => new TinyLfuPolicy()),
    ];

    // Points of a hundred against LRU, in each trace at each size.
    private readonly Dictionary<string, List<(double Objects, double Bytes)>> _against = Policies.ToDictionary(policy => policy.Name, _ => new List<(double, double)>());

    public void Print(IEnumerable<string> paths)
    {
        foreach (var path in paths)
        {
            var trace = Trace.Read(path);
            Describe(trace);
            foreach (var percent in Percents) Compare(trace, percent);
        }

        Line($"\n## All traces and sizes\n\n| policy | requests, points against lru: least | median | most | bytes: least | median | most |\n| --- | --- | --- | --- | --- | --- | --- |");
        foreach (var (name, against) in _against)
        {
            var (objects, bytes) = (against.Select(one => one.Objects).Order().ToList(), against.Select(one => one.Bytes).Order().ToList());
            Line($"| {name} | {Points(objects[0])} | {Points(objects[objects.Count / 2])} | {Points(objects[^1])} | {Points(bytes[0])} | {Points(bytes[bytes.Count / 2])} | {Points(bytes[^1])} |");
        }
    }

    private void Compare(Trace trace, int percent)
    {
        ReplayResult? lru = null;
        foreach (var (name, create) in Policies)
        {
            var result = TraceReplay.Run(trace, create(), trace.WorkingSet / 100 * percent);
            lru ??= result;
            var (objects, bytes) = ((result.ObjectRatio - lru.ObjectRatio) * 100, (result.ByteRatio - lru.ByteRatio) * 100);
            _against[name].Add((objects, bytes));
            Line($"| {percent} % | {name} | {result.ObjectRatio:P1} | {Points(objects)} | {result.ByteRatio:P1} | {Points(bytes)} | {result.UpstreamBytes / 1e9:0.0} | {result.Cpu.TotalNanoseconds / result.Requests:0} |");
        }
    }

    private void Describe(Trace trace)
    {
        var asked = trace.Pulls.SelectMany(pull => pull.Asked.Append(pull.Manifest)).CountBy(blob => blob).ToList();
        var counts = asked.Select(one => one.Value).OrderDescending().ToList();
        var requests = counts.Sum();
        Line($"\n## {trace.Name}\n");
        Line($"{trace.Pulls.Count} pulls, {requests} requests for {asked.Count} blobs of {trace.WorkingSet / 1e9:0.0} GB on disk. The most wanted 1 % get {counts.Take(counts.Count / 100).Sum() / (double)requests:P0} of the requests, {counts.Count(count => count == 1) / (double)counts.Count:P0} are asked for once.");
        Line($"\n| cache | policy | requests that hit | against lru | bytes that hit | against lru | GB from upstream | CPU, ns a request |\n| --- | --- | --- | --- | --- | --- | --- | --- |");
    }

    private static string Points(double points) => Math.Round(points, 1).ToString("+0.0;-0.0;0.0", CultureInfo.InvariantCulture);

    private void Line(FormattableString line) => output.WriteLine(line.ToString(CultureInfo.InvariantCulture));
}
