using BenchmarkDotNet.Running;

namespace Entrepot.Bench;

/// <summary>Runs the benchmarks that the arguments choose; <c>bench/README.md</c> says how.</summary>
internal static class Program
{
    /// <returns>0 if each chosen benchmark gave a result; 1 if one failed, or none was chosen.</returns>
    public static int Main(string[] arguments)
    {
        var summaries = BenchmarkSwitcher.FromAssembly(typeof(Program).Assembly).Run(arguments).ToList();
        var isComplete = summaries.Count > 0
            && summaries.All(summary => !summary.HasCriticalValidationErrors && summary.Reports.Length > 0 && summary.Reports.All(report => report.Success));
        return isComplete ? 0 : 1;
    }
}
