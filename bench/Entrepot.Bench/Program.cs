using System.Globalization;
using BenchmarkDotNet.Running;

namespace Entrepot.Bench;

/// <summary>Runs the benchmarks that the arguments choose; <c>bench/README.md</c> says how.</summary>
internal static class Program
{
    /// <returns>0 if each chosen benchmark gave a result; 1 if one failed, or none was chosen.</returns>
    public static async Task<int> Main(string[] arguments)
    {
        switch (arguments)
        {
            case ["index-scale", var count]:
                await IndexScale.RunAsync(int.Parse(count, CultureInfo.InvariantCulture));
                return 0;
            case ["store-fill", var count, var path]:
                await IndexScale.FillStoreAsync(int.Parse(count, CultureInfo.InvariantCulture), path);
                return 0;
            case ["index-recover", var path]:
                await IndexScale.RecoverAsync(path);
                return 0;
            case ["record-log"]:
                await RecordLogRate.RunAsync();
                return 0;
            case ["cold-fetch", var program, var megabytes, var times]:
                await ColdFetch.RunAsync(
                    program, int.Parse(megabytes, CultureInfo.InvariantCulture) * 1_000_000, int.Parse(times, CultureInfo.InvariantCulture));
                return 0;
            case ["generate-trace", var kind, var seed, var pulls]:
                TraceGenerator.Write(kind, int.Parse(seed, CultureInfo.InvariantCulture), int.Parse(pulls, CultureInfo.InvariantCulture), Console.Out);
                return 0;
            case ["replay", .. var paths]:
                new ReplayTable(Console.Out).Print(paths);
                return 0;
            case ["load", .. var rest]:
                return await Load.RunAsync(rest);
        }

        var summaries = BenchmarkSwitcher.FromAssembly(typeof(Program).Assembly).Run(arguments).ToList();
        var isComplete = summaries.Count > 0
            && summaries.All(summary => !summary.HasCriticalValidationErrors && summary.Reports.Length > 0 && summary.Reports.All(report => report.Success));
        return isComplete ? 0 : 1;
    }
}
