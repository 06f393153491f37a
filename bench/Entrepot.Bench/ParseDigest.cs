using System.Text.RegularExpressions;
using BenchmarkDotNet.Attributes;
using Entrepot.Oci;

namespace Entrepot.Bench;

/// <summary>What does it cost to read a digest into a value, as against checking its text?</summary>
[MemoryDiagnoser]
public partial class ParseDigest
{
    private string _text = "";

    /// <summary>Of which algorithm it is.</summary>
    [Params("sha256", "sha512")]
    public string Algorithm { get; set; } = "";

    [GlobalSetup]
    public void Setup() => _text = Digest.FromHash(new byte[Algorithm == "sha256" ? 32 : 64]).ToString();

    [Benchmark]
    public Digest Entrepot() => Digest.Parse(_text);

    [Benchmark(Baseline = true, Description = "Regex")]
    public bool Expression() => Checked().IsMatch(_text);

    [GeneratedRegex("^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$")]
    private static partial Regex Checked();
}
