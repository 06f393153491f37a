using System.Globalization;
using System.Runtime.InteropServices;
using Entrepot.Fuzz;
using SharpFuzz;
using SharpFuzz.Common;

// See README.md beside this file. Instrumented code notes where it has been, also before a fuzzer has given it room for that, and without one.
unsafe
{
    Trace.SharedMem = (byte*)NativeMemory.AllocZeroed(64 << 10);
}

var targets = Targets.All.ToDictionary(target => target.Name);
switch (args)
{
    case ["list"]:
        foreach (var name in targets.Keys) Console.WriteLine(name);
        return 0;

    case ["corpus", var folder]:
        foreach (var target in targets.Values)
        {
            var own = Directory.CreateDirectory(Path.Combine(folder, target.Name)).FullName;
            for (var i = 0; i < target.Seeds.Count; i++) File.WriteAllBytes(Path.Combine(own, $"seed{i}"), target.Seeds[i]);
        }

        return 0;

    case ["brief", var count] when int.TryParse(count, NumberStyles.None, CultureInfo.InvariantCulture, out var number):
        foreach (var target in targets.Values)
        {
            Mutations.Run(target, number, Random.Shared.Next());
            Console.WriteLine($"{target.Name}: {number} inputs, and every promise kept");
        }

        return 0;

    case ["afl", var name] when targets.TryGetValue(name, out var target):
        Fuzzer.OutOfProcess.Run(stream =>
        {
            using var input = new MemoryStream();
            stream.CopyTo(input);
            target.Run(input.ToArray());
        });
        return 0;

    case ["run", var name, .. var files] when targets.TryGetValue(name, out var target):
        foreach (var file in files) target.Run(File.ReadAllBytes(file));
        return 0;

    default:
        Console.Error.WriteLine("usage: Entrepot.Fuzz list | corpus FOLDER | brief COUNT | afl TARGET | run TARGET FILE...");
        return 2;
}
