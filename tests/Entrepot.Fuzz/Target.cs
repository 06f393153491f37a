using System.Text;

namespace Entrepot.Fuzz;

/// <summary>What was promised of a parser, and does not hold.</summary>
public sealed class BrokenPromiseException(string message) : Exception(message);

/// <summary>One parser, with what is promised of it whatever it is given. Safe for concurrent use.</summary>
/// <param name="Name">What it is called on the command line.</param>
/// <param name="Seeds">Inputs to begin with, some of them right.</param>
/// <param name="Run">Gives it an input; throws if it breaks a promise, as it does if it throws itself.</param>
public sealed record Target(string Name, IReadOnlyList<byte[]> Seeds, Action<byte[]> Run)
{
    /// <summary>A target whose parser reads text: each byte is a letter of Latin-1, as in a header.</summary>
    internal static Target OfText(string name, Action<string> run, params string[] seeds) =>
        new(name, [.. seeds.Select(Encoding.Latin1.GetBytes)], input => run(Encoding.Latin1.GetString(input)));

    /// <summary>A target whose parser reads bytes.</summary>
    internal static Target OfBytes(string name, Action<byte[]> run, params string[] seeds) =>
        new(name, [.. seeds.Select(Encoding.UTF8.GetBytes)], run);

    /// <summary>Demands what was promised.</summary>
    internal static void Holds(bool promise, string what)
    {
        if (!promise) throw new BrokenPromiseException(what);
    }
}
