using System.Globalization;

namespace Entrepot.Bench;

/// <summary>A blob as the generator names it.</summary>
internal sealed record Layer(string Name, long Size);

/// <summary>A manifest, and what it references: the configuration first.</summary>
internal sealed record Image(Layer Manifest, IReadOnlyList<Layer> Base, IReadOnlyList<Layer> Own)
{
    public IEnumerable<Layer> Blobs => Base.Concat(Own);
}

/// <summary>Makes up images: a few popular bases with layers of their own on top.</summary>
internal sealed class ImageMaker
{
    private readonly Random _random;
    private readonly IReadOnlyList<Layer>[] _bases;
    private readonly Zipf _popularity;
    private int _made;

    public ImageMaker(Random random)
    {
        _random = random;
        _bases = [.. Enumerable.Range(0, 80).Select(_ => Layers(1 + random.Next(5)))];
        _popularity = new Zipf(random, _bases.Length, skew: 1.0);
    }

    /// <summary>A new image on one of the bases.</summary>
    /// <param name="least">Fewest layers of its own; up to six more.</param>
    public Image New(int least) => Compose(_bases[_popularity.Next()], Layers(least + _random.Next(7)));

    /// <summary>The next version of an image: its last one to three layers are new, and now and then its base.</summary>
    public Image After(Image image)
    {
        var kept = image.Own.SkipLast(1).Take(Math.Max(0, image.Own.Count - 1 - (1 + _random.Next(3)))).ToList();
        return Compose(_random.NextDouble() < 0.1 ? _bases[_popularity.Next()] : image.Base, [.. kept, .. Layers(image.Own.Count - 1 - kept.Count)]);
    }

    /// <summary>An image with so many layers on top of all of another's.</summary>
    public Image On(Image image, int layers) => Compose([.. image.Base, .. image.Own.SkipLast(1)], Layers(layers));

    /// <summary>An image without a base, whose layers have the given sizes.</summary>
    public Image Of(int layers, Func<long> size) => Compose([], [.. Enumerable.Range(0, layers).Select(_ => Make('l', size()))]);

    private Image Compose(IReadOnlyList<Layer> ofBase, IReadOnlyList<Layer> own) =>
        new(Make('m', 800 + _random.Next(3000)), ofBase, [.. own, Make('c', 1500 + _random.Next(10_000))]);

    private List<Layer> Layers(int count) => [.. Enumerable.Range(0, count).Select(_ => Make('l', Size()))];

    private Layer Make(char kind, long size) => new(string.Create(CultureInfo.InvariantCulture, $"{kind}{++_made}"), size);

    // 65 % under 1 MB, 15 % from there to 10 MB, the rest with a mean of 19 MB: 4.5 MB in all.
    private long Size()
    {
        var share = _random.NextDouble();
        var within = _random.NextDouble();
        return share < 0.65 ? Between(200, 1e6, within)
            : share < 0.80 ? Between(1e6, 10e6, within)
            : (long)Math.Min(2e9, 10e6 * Math.Pow(1 - within, -1 / 2.08));
    }

    // Each order of magnitude as often as the next.
    private static long Between(double least, double most, double share) => (long)(least * Math.Pow(most / least, share));
}

/// <summary>Numbers from 0, the n-th of which comes with a probability of 1 / n^skew.</summary>
internal sealed class Zipf
{
    private readonly Random _random;
    private readonly double[] _sums;

    public Zipf(Random random, int count, double skew)
    {
        _random = random;
        _sums = new double[count];
        var sum = 0.0;
        for (var i = 0; i < count; i++) _sums[i] = sum += Math.Pow(i + 1, -skew);
    }

    public int Next()
    {
        var at = Array.BinarySearch(_sums, _random.NextDouble() * _sums[^1]);
        return Math.Min(_sums.Length - 1, at < 0 ? ~at : at);
    }
}
