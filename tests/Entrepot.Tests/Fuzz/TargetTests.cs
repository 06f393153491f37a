using System.Text;
using CsCheck;
using Entrepot.Fuzz;

namespace Entrepot.Tests.Fuzz;

/// <summary>Whatever the parsers are given, they keep what is promised of them.</summary>
public sealed class TargetTests
{
    private const int Inputs = 4000;

    // Linear parsers take some milliseconds of it on any machine, quadratic ones a quarter of an hour.
    private const int LongBytes = 512 << 10;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    public static TheoryData<string> Names => [.. Targets.All.Select(target => target.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public void Target_InputsLikeRightOnes_KeepsItsPromises(string name) => Mutations.Run(Find(name), Inputs, seed: 1);

    [Theory]
    [MemberData(nameof(Names))]
    public void Target_AnyLettersOfRightOnes_KeepsItsPromises(string name)
    {
        var target = Find(name);
        byte[] letters = [.. target.Seeds.SelectMany(seed => seed).Distinct()];
        var letter = Gen.Int[0, letters.Length - 1].Select(i => letters[i]);
        Gen.OneOf(Gen.Byte, letter, letter, letter).Array[0, 80].Sample(target.Run, iter: 500);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public Task Target_LongInput_TakesTimeForItsLength(string name)
    {
        var target = Find(name);
        string[] pieces = ["a", " ", ",", "/", "<", "<a>;", "\"", "\\", "=", "a=\"", "&", "-", "bytes=0-0,", "{\"a\":", "[", "{},", "a,\n", "\n", " \n", "- ", "a: ", "*", ":", "@", "%", "\ud800", "\0"];
        return Task.Run(() =>
        {
            foreach (var piece in pieces)
            {
                var bytes = Encoding.Latin1.GetBytes(piece);
                target.Run([.. Enumerable.Range(0, LongBytes).Select(i => bytes[i % bytes.Length])]);
            }
        }).WaitAsync(Patience);
    }

    [Fact]
    public void Run_BrokenPromise_TellsTheInput()
    {
        var target = new Target("broken", ["ab"u8.ToArray()], input => { if (input.Length > 2) throw new FormatException("no"); });

        var broken = Assert.Throws<BrokenPromiseException>(() => Mutations.Run(target, 1000, seed: 1));

        Assert.Contains("base64", broken.Message, StringComparison.Ordinal);
        Assert.Contains("FormatException: no", broken.Message, StringComparison.Ordinal);
    }

    private static Target Find(string name) => Targets.All.Single(target => target.Name == name);
}
