using System.Globalization;

namespace Entrepot.Bench;

/// <summary>Writes a trace that has the published shape of a registry's traffic, or one that is made to hurt some policy. The same seed writes the same trace.</summary>
/// <remarks>What is published and what is assumed is in <c>bench/traces.md</c>.</remarks>
internal sealed class TraceGenerator
{
    private const double SecondsBetween = 20;   // two pulls, on average

    private readonly Random _random;
    private readonly ImageMaker _maker;
    private readonly TextWriter _output;
    private readonly HashSet<string> _written = [];
    private double _seconds;

    private TraceGenerator(int seed, TextWriter output)
    {
        (_random, _output) = (new Random(seed), output);
        _maker = new ImageMaker(_random);
    }

    /// <summary>The kinds of traces there are.</summary>
    public static IReadOnlyList<string> Kinds { get; } = ["registry", "shift", "stack", "echo", "junk", "loop", "tide", "lure", "bait"];

    /// <summary>Writes one.</summary>
    /// <exception cref="ArgumentException">There is no such kind.</exception>
    public static void Write(string kind, int seed, int pulls, TextWriter output)
    {
        var generator = new TraceGenerator(seed, output);
        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"# {kind}, seed {seed}, {pulls} pulls"));
        switch (kind)
        {
            case "registry": generator.Registry(pulls, shifts: 0); break;
            case "shift": generator.Registry(pulls, shifts: 8); break;
            case "stack": generator.Stack(pulls); break;
            case "echo": generator.Echo(pulls); break;
            case "junk": generator.Junk(pulls); break;
            case "loop": generator.Loop(pulls); break;
            case "lure": generator.Mixed(pulls, popular: (20_000_000, 100_000_000), echoed: (100_000, 500_000)); break;
            case "bait": generator.Mixed(pulls, popular: (100_000, 500_000), echoed: (20_000_000, 100_000_000)); break;
            case "tide":
                for (var turn = 0; turn < 6; turn++)
                {
                    if (turn % 2 == 0) generator.Registry(pulls / 6, shifts: 0);
                    else generator.Echo(pulls / 6);
                }

                break;
            default: throw new ArgumentException($"no kind of trace is called '{kind}': {string.Join(", ", Kinds)}", nameof(kind));
        }
    }

    // Nodes that keep what they have pulled, runners of continuous integration that keep nothing, and images that are built, tested once and never seen again.
    private void Registry(int pulls, int shifts)
    {
        const int Nodes = 150;
        var repositories = Enumerable.Range(0, 1500).Select(_ => new Repository(_maker)).ToArray();
        var popularity = new Zipf(_random, repositories.Length, skew: 1.0);
        var nodes = Enumerable.Range(0, Nodes).Select(_ => new Node()).ToArray();
        var once = new List<Image>();
        for (var pull = 0; pull < pulls;)
        {
            if (shifts > 0 && pull > 0 && pull * shifts / pulls != (pull - 1) * shifts / pulls) _random.Shuffle(repositories);
            var repository = repositories[popularity.Next()];
            if (_random.NextDouble() < 0.02) repository.Build();
            var image = _random.NextDouble() < 0.85 ? repository.Latest : repository.Older(_random);
            var what = _random.NextDouble();
            if (what < 0.05)
            {
                // A roll-out: many nodes within a minute.
                foreach (var node in Enumerable.Range(0, 3 + _random.Next(20)).Select(_ => nodes[_random.Next(Nodes)]))
                {
                    Pull(image, node, between: 2);
                    pull++;
                }
            }
            else if (what < 0.40)
            {
                Pull(image, nodes[_random.Next(Nodes)], SecondsBetween);
                pull++;
            }
            else if (what < 0.75)
            {
                Pull(image, node: null, SecondsBetween);
                pull++;
            }
            else
            {
                var retried = once.Count > 0 && _random.NextDouble() < 0.15;
                var built = retried ? once[^1] : _maker.On(image, 1 + _random.Next(3));
                if (!retried) once.Add(built);
                Pull(built, node: null, SecondsBetween);
                pull++;
            }
        }
    }

    // Where a pull goes depends only on how long ago it was last pulled: no order beats the least recently used.
    private void Stack(int pulls)
    {
        var stack = new List<Image>();
        for (var pull = 0; pull < pulls; pull++)
        {
            var depth = (int)Math.Exp(_random.NextDouble() * Math.Log(20_000)) - 1;
            if (depth >= stack.Count) stack.Add(_maker.New(3));
            var at = Math.Max(0, stack.Count - 1 - depth);
            var image = stack[at];
            stack.RemoveAt(at);
            stack.Add(image);
            Pull(image, node: null, SecondsBetween);
        }
    }

    // Everything comes twice, once after a while: who lets new blobs go quickly has none of the second pulls.
    private void Echo(int pulls)
    {
        var due = new PriorityQueue<Image, int>();
        for (var pull = 0; pull < pulls; pull++)
        {
            if (due.TryPeek(out var image, out var when) && when <= pull)
            {
                due.Dequeue();
            }
            else
            {
                image = _maker.New(4);
                due.Enqueue(image, pull + (int)Math.Exp(Math.Log(pulls / 4.0) * (0.4 + 0.6 * _random.NextDouble())));
            }

            Pull(image, node: null, SecondsBetween);
        }
    }

    // Popular images and others that come twice, of which the one kind is large and the other small: who weighs only bytes, or only requests, is led astray.
    private void Mixed(int pulls, (int Least, int Most) popular, (int Least, int Most) echoed)
    {
        var images = Enumerable.Range(0, 3000).Select(_ => _maker.Of(3, () => _random.Next(popular.Least, popular.Most))).ToArray();
        var popularity = new Zipf(_random, images.Length, skew: 0.7);
        var due = new PriorityQueue<Image, int>();
        for (var pull = 0; pull < pulls; pull++)
        {
            var image = images[popularity.Next()];
            if (due.TryPeek(out var again, out var when) && when <= pull)
            {
                image = again;
                due.Dequeue();
            }
            else if (_random.NextDouble() < 0.5)
            {
                image = _maker.Of(3, () => _random.Next(echoed.Least, echoed.Most));
                due.Enqueue(image, pull + (int)Math.Exp(Math.Log(pulls / 8.0) * (0.4 + 0.6 * _random.NextDouble())));
            }

            Pull(image, node: null, SecondsBetween);
        }
    }

    // Popular images of large layers among a flood of tiny ones that come once: who prefers small blobs keeps the flood.
    private void Junk(int pulls)
    {
        var images = Enumerable.Range(0, 400).Select(_ => _maker.Of(3, () => _random.Next(20_000_000, 100_000_000))).ToArray();
        var popularity = new Zipf(_random, images.Length, skew: 0.9);
        for (var pull = 0; pull < pulls; pull++)
            Pull(_random.NextDouble() < 0.2 ? images[popularity.Next()] : _maker.Of(4, () => _random.Next(20_000, 500_000)), node: null, SecondsBetween);
    }

    // The same images again and again, in another order each time: more than fits, so that the least recently used is nearly always the wrong one.
    private void Loop(int pulls)
    {
        var images = Enumerable.Range(0, Math.Max(1, pulls / 15)).Select(_ => _maker.New(4)).ToArray();
        for (var pull = 0; pull < pulls; pull++)
        {
            if (pull % images.Length == 0) _random.Shuffle(images);
            Pull(images[pull % images.Length], node: null, SecondsBetween);
        }
    }

    private void Pull(Image image, Node? node, double between)
    {
        _seconds += -Math.Log(1 - _random.NextDouble()) * between;
        _output.Write(_seconds.ToString("0.0", CultureInfo.InvariantCulture));
        WriteBlob("", image.Manifest);
        foreach (var blob in image.Blobs) WriteBlob(node is null || node.Takes(blob) ? "" : "-", blob);
        _output.WriteLine();
    }

    private void WriteBlob(string before, Layer blob)
    {
        _output.Write($" {before}{blob.Name}");
        if (_written.Add(blob.Name)) _output.Write(string.Create(CultureInfo.InvariantCulture, $"={blob.Size}"));
    }

    // A machine that has room for the layers of some images.
    private sealed class Node
    {
        private const int Most = 300;

        private readonly HashSet<Layer> _has = [];
        private readonly Queue<Layer> _order = [];

        public bool Takes(Layer layer)
        {
            if (!_has.Add(layer)) return false;
            _order.Enqueue(layer);
            if (_order.Count > Most) _has.Remove(_order.Dequeue());
            return true;
        }
    }

    private sealed class Repository
    {
        private readonly ImageMaker _maker;
        private readonly List<Image> _versions = [];

        public Repository(ImageMaker maker)
        {
            _maker = maker;
            _versions.Add(maker.New(2));
        }

        public Image Latest => _versions[^1];

        public Image Older(Random random) => _versions[Math.Max(0, _versions.Count - 1 - (int)(-Math.Log(1 - random.NextDouble()) * 3))];

        public void Build() => _versions.Add(_maker.After(Latest));
    }
}
