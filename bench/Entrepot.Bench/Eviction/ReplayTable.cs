using System.Globalization;
using Entrepot.Pull;

namespace Entrepot.Bench;

/// <summary>Replays traces against each policy at several sizes of the cache, and prints a table for each trace.</summary>
internal static class ReplayTable
{
    private static readonly int[] Percents = [1, 5, 10, 25];

    private static readonly IReadOnlyList<(string Name, Func<EvictionPolicy> New)> Policies =
    [
        ("lru", () => new LruPolicy()),
        ("arc", () => new ArcPolicy()),
        ("adaptive", () => new AdaptivePolicy()),
        ("sieve", () => new SievePolicy()),
        ("s3-fifo", () => new S3FifoPolicy()),
        ("gdsf", () => new GdsfPolicy(exponent: 1)),
        ("lfu-da", () => new GdsfPolicy(exponent: 0)),
        ("gdsf-.5", () => new GdsfPolicy(exponent: 0.5)),
        ("tinylfu", () => new TinyLfuPolicy()),
    ];

    public static void Print(IEnumerable<string> paths, TextWriter output)
    {
        foreach (var path in paths)
        {
            var trace = Trace.Read(path);
            Describe(trace, output);
            foreach (var percent in Percents)
            {
                var limit = trace.WorkingSet * percent / 100;
                ReplayResult? lru = null;
                foreach (var (name, create) in Policies)
                {
                    var result = TraceReplay.Run(trace, create(), limit);
                    lru ??= result;
                    output.WriteLine(string.Create(CultureInfo.InvariantCulture,
                        $"| {percent} % | {name} | {result.ObjectRatio:P2} | {(result.ObjectRatio - lru.ObjectRatio) * 100:+0.0;-0.0} | {result.ByteRatio:P2} | {(result.ByteRatio - lru.ByteRatio) * 100:+0.0;-0.0} | {result.UpstreamBytes / 1e9:0.0} | {result.Cpu.TotalNanoseconds / result.Requests:0} |"));
                }
            }
        }
    }

    private static void Describe(Trace trace, TextWriter output)
    {
        var requests = trace.Pulls.SelectMany(pull => pull.Asked.Append(pull.Manifest)).CountBy(blob => blob).ToList();
        var layers = requests.Where(one => one.Key.Size > 12_000).ToList();
        var counts = requests.Select(one => one.Value).OrderDescending().ToList();
        var top = counts.Take(Math.Max(1, counts.Count / 100)).Sum() / (double)counts.Sum();
        output.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"\n{trace.Name}: {trace.Pulls.Count} pulls, {counts.Sum()} requests, {counts.Count} blobs, working set {trace.WorkingSet / 1e9:0.0} GB, top 1% {top:P0}, once {counts.Count(c => c == 1) / (double)counts.Count:P0}, <1MB {requests.Count(l => l.Key.Size < 1e6) / (double)requests.Count:P0} mean {requests.Average(l => l.Key.Size) / 1e6:0.0}"));
    }
}
