using Entrepot.Oci;

namespace Entrepot.Bench;

/// <summary>About how often a digest was counted of late, up to 15 times: a count-min sketch whose counters are halved after ten counts for each resident.</summary>
internal sealed class FrequencySketch
{
    private const int Rows = 4;
    private const int Columns = 1 << 18;
    private const int Most = 15;

    private readonly byte[] _counters = new byte[Rows * Columns];
    private long _counted;

    public void Count(Digest digest, int residents)
    {
        for (var row = 0; row < Rows; row++)
        {
            ref var counter = ref _counters[At(digest, row)];
            if (counter < Most) counter++;
        }

        if (++_counted < 10L * Math.Max(1000, residents)) return;
        _counted = 0;
        for (var i = 0; i < _counters.Length; i++) _counters[i] /= 2;
    }

    public int Estimate(Digest digest)
    {
        var least = Most;
        for (var row = 0; row < Rows; row++) least = Math.Min(least, _counters[At(digest, row)]);
        return least;
    }

    private static int At(Digest digest, int row)
    {
        var mixed = unchecked(((uint)digest.GetHashCode() + (uint)row * 0x9E3779B9u) * 0x85EBCA6Bu);
        return row * Columns + (int)((mixed ^ (mixed >> 13)) & (Columns - 1));
    }
}
