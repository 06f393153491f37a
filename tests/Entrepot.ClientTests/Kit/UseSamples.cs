using System.Globalization;

namespace Entrepot.ClientTests.Kit;

/// <summary>What a process held at several moments of one stretch of load: one moment tells where the collector was, several tell what there is. Immutable.</summary>
internal sealed class UseSamples
{
    private const double Mebibyte = 1 << 20;
    private const long Noise = 32 << 20;   // what the collector keeps more or less of in two stretches of the same load

    private static readonly TimeSpan Every = TimeSpan.FromSeconds(1);

    private readonly IReadOnlyList<ProcessUse> _samples;

    private UseSamples(IReadOnlyList<ProcessUse> samples) => _samples = samples;

    /// <summary>The median of its memory, in bytes.</summary>
    public long Memory => MedianOf(one => one.Memory);

    /// <summary>The median of what it had open.</summary>
    public long Descriptors => MedianOf(one => one.Descriptors);

    /// <summary>Looks once a second, and at the end.</summary>
    /// <param name="look">What is held now.</param>
    /// <param name="until">Ends when the stretch does.</param>
    public static async Task<UseSamples> TakeAsync(Func<ProcessUse> look, Task until)
    {
        var samples = new List<ProcessUse>();
        using var timer = new PeriodicTimer(Every);
        while (!until.IsCompleted)
        {
            await Task.WhenAny(timer.WaitForNextTickAsync().AsTask(), until);
            samples.Add(look());
        }

        return new UseSamples(samples);
    }

    /// <summary>Whether a later stretch of the same load held no more memory, within an eighth and what the collector does by chance.</summary>
    /// <param name="later">That stretch.</param>
    /// <param name="settled">Bytes that the load takes in the end: on the way there the collector has not settled yet.</param>
    public bool IsFlatTo(UseSamples later, long settled) => later.Memory <= Math.Max(Memory * 9 / 8 + Noise, settled);

    /// <summary>All samples and their medians, memory in MiB.</summary>
    public override string ToString() =>
        $"memory {Text(Memory)} of {string.Join(' ', _samples.Select(one => Text(one.Memory)))}; descriptors {Descriptors} of {string.Join(' ', _samples.Select(one => one.Descriptors))}";

    private static string Text(long bytes) => (bytes / Mebibyte).ToString("0", CultureInfo.InvariantCulture);

    private long MedianOf(Func<ProcessUse, long> value)
    {
        var values = _samples.Select(value).Order().ToList();
        return values[values.Count / 2];
    }
}
