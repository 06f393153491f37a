using CsCheck;
using Entrepot.Oci;
using Entrepot.Pull;

namespace Entrepot.Tests.Pull;

public sealed class ExtentsTests
{
    private const int Size = 64;

    private static readonly Gen<(int From, int To)[]> Additions =
        Gen.Select(Gen.Int[0, Size], Gen.Int[0, Size]).Select(pair => (Math.Min(pair.Item1, pair.Item2), Math.Max(pair.Item1, pair.Item2))).Array[0, 40];

    [Fact]
    public void Add_AnySequence_AgreesWithABitForEachByte() => Additions.Sample(additions =>
    {
        var extents = new Extents();
        var model = new bool[Size + 1];
        foreach (var (from, to) in additions)
        {
            extents.Add(new ByteSpan(from, to));
            model.AsSpan(from, to - from).Fill(true);

            Assert.Equal(model.Count(there => there), extents.Total);
            Assert.Equal(Runs(model), extents.Spans);
            for (var offset = 0; offset <= Size; offset++)
            {
                var gap = offset >= Size ? -1 : Array.FindIndex(model, offset, Size - offset, there => !there);
                Assert.Equal(gap < 0 ? null : new ByteSpan(gap, gap + model.Skip(gap).Take(Size - gap).TakeWhile(there => !there).Count()), extents.FirstGap(offset, Size));
                if (!model[offset]) Assert.Equal(Array.FindLastIndex(model, offset, there => there) + 1, extents.GapStart(offset));
                Assert.Equal(offset + model.Skip(offset).TakeWhile(there => there).Count(), extents.EndFrom(offset));
            }
        }
    });

    [Fact]
    public void Add_RangesThatTouch_AreOne()
    {
        var extents = new Extents();
        extents.Add(new ByteSpan(10, 20));
        extents.Add(new ByteSpan(30, 40));

        extents.Add(new ByteSpan(20, 30));

        Assert.Equal(40, extents.EndFrom(10));
        Assert.Equal(30, extents.Total);
    }

    [Fact]
    public void Clear_AfterAdditions_LeavesNothing()
    {
        var extents = new Extents();
        extents.Add(new ByteSpan(0, 20));

        extents.Clear();

        Assert.Equal((0, 0), (extents.Total, extents.EndFrom(0)));
    }

    private static IEnumerable<ByteSpan> Runs(bool[] model)
    {
        for (var from = 0; from < model.Length; from++)
        {
            var length = model.Skip(from).TakeWhile(there => there).Count();
            if (length > 0) yield return new ByteSpan(from, from + length);
            from += length;
        }
    }
}
