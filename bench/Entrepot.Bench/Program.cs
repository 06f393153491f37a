using BenchmarkDotNet.Running;
using Entrepot.Bench;

switch (args)
{
    case ["index-scale", var count]:
        await IndexScale.RunAsync(int.Parse(count, System.Globalization.CultureInfo.InvariantCulture));
        return 0;
    case ["index-recover", var path]:
        await IndexScale.RecoverAsync(path);
        return 0;
    case ["record-log"]:
        await RecordLogRate.RunAsync();
        return 0;
    default:
        BenchmarkSwitcher.FromAssembly(typeof(IndexLookup).Assembly).Run(args);
        return 0;
}
