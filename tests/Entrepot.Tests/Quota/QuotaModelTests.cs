using CsCheck;
using Entrepot.Oci;
using Entrepot.Pull;
using Xunit.Abstractions;

namespace Entrepot.Tests.Quotas;

public sealed class QuotaModelTests(ITestOutputHelper output)
{
    private static readonly Digest[] Names = Digests.Some(60);

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    public void AnySequence_KeepsTheBudgetAndAgreesWithTheModel(int seed)
    {
        output.WriteLine($"seed {seed}");
        var random = new Random(seed);
        var pair = new Pair(limit: 1_000);

        for (var step = 0; step < 10_000; step++) pair.Step(random.Next(100), random.Next(Names.Length), random.Next(400));

        Assert.InRange(pair.Evicted, 100, long.MaxValue);
        Assert.InRange(pair.Refused, 100, long.MaxValue);
    }

    [Fact]
    public void AnyShortSequence_KeepsTheBudgetAndAgreesWithTheModel() =>
        Gen.Select(Gen.Long[0, 1_000], Gen.Select(Gen.Int[0, 99], Gen.Int[0, 5], Gen.Int[0, 400]).Array[0, 40]).Sample((limit, steps) =>
        {
            var pair = new Pair(limit);
            foreach (var (kind, which, amount) in steps) pair.Step(kind, which, amount);
        });

    // The quota beside a plain list that says the same in the simplest words, compared after each step.
    private sealed class Pair(long limit)
    {
        private readonly Quota _quota = new(new LruPolicy(), limit);
        private readonly List<(Digest Digest, long Size)> _residents = [];   // coldest first, without the pinned ones
        private readonly HashSet<Digest> _pinned = [];
        private readonly Dictionary<Digest, long> _kept = [];                // residents that are pinned
        private readonly List<long> _reservations = [];
        private long _limit = limit;
        private long _overhead;
        private long _minFree;
        private long? _free;

        public long Evicted { get; private set; }

        public long Refused { get; private set; }

        private long Loose => _residents.Sum(resident => resident.Size);

        private long Taken => Loose + _kept.Values.Sum() + _reservations.Sum() + _overhead;

        public void Step(int kind, int which, int amount)
        {
            var digest = Names[which];
            var victims = new List<Victim>();
            var expected = new List<Victim>();
            switch (kind)
            {
                case < 35: Reserve(amount, victims, expected); break;
                case < 60: Admit(digest, which, amount); break;
                case < 70: Release(which); break;
                case < 80: Touch(digest); break;
                case < 83: Pin(Names[which % 8]); break;
                case < 85: Unpin(Names[which % 8]); break;
                case < 89: Remove(digest); break;
                case < 92: Adopt(digest, amount); break;
                case < 94: _quota.SetLimit(_limit = 5 * amount, victims); Shrink(expected); break;
                case < 96: _quota.SetOverhead(_overhead = amount / 4, victims); Shrink(expected); break;
                case < 98: Measure(which, amount); break;
                default: _quota.Shrink(victims); Shrink(expected); break;
            }

            Assert.Equal(expected, victims);
            Assert.DoesNotContain(victims, victim => _pinned.Contains(victim.Digest));
            Assert.Equal((Loose + _kept.Values.Sum(), _kept.Values.Sum()), (_quota.Used, _quota.Pinned));
            Assert.Equal(_residents.Count + _kept.Count, _quota.Count);
            Assert.Equal(_reservations.Sum(), _quota.Reserved);
            Assert.Equal((_limit, _overhead, _free), (_quota.Limit, _quota.Overhead, _quota.Free));
            Assert.All(_residents.Select(resident => resident.Digest).Concat(_kept.Keys), resident => Assert.True(_quota.Contains(resident)));
            Assert.All(Names, name => Assert.Equal(_pinned.Contains(name), _quota.IsPinned(name)));
            Assert.True(_quota.IsConsistent());
            Evicted += victims.Count;
        }

        private void Reserve(long size, List<Victim> victims, List<Victim> expected)
        {
            var fits = _reservations.Sum() + _overhead + _kept.Values.Sum() + size <= _limit && !(_free + Loose - size < _minFree);
            if (fits) Evict(size, expected);

            Assert.Equal(fits, _quota.TryReserve(size, victims));

            if (!fits)
            {
                Refused++;
                return;
            }

            _reservations.Add(size);
            _free -= size;
            Assert.True(Taken <= _limit, "over the limit after a reservation");
            Assert.False(_free < _minFree, "too little free after a reservation");
        }

        private void Admit(Digest digest, int which, int amount)
        {
            if (!TakeReservation(which, out var reserved)) return;
            var size = Math.Min(amount, reserved);

            _quota.Admit(digest, size, reserved);

            _free += reserved - size + TakeResident(digest);
            AddResident(digest, size);
        }

        private void Release(int which)
        {
            if (!TakeReservation(which, out var reserved)) return;
            _quota.Release(reserved);
            _free += reserved;
        }

        private void Touch(Digest digest)
        {
            _quota.Touch(digest);
            var at = _residents.FindIndex(resident => resident.Digest == digest);
            if (at < 0) return;
            var resident = _residents[at];
            _residents.RemoveAt(at);
            _residents.Add(resident);
        }

        private void Remove(Digest digest)
        {
            var isThere = _kept.ContainsKey(digest) || _residents.Exists(resident => resident.Digest == digest);
            Assert.Equal(isThere, _quota.Remove(digest));
            _free += TakeResident(digest);
        }

        private void Pin(Digest digest)
        {
            _quota.Pin(digest);
            _pinned.Add(digest);
            var at = _residents.FindIndex(resident => resident.Digest == digest);
            if (at >= 0) AddResident(digest, TakeResident(digest));
        }

        private void Unpin(Digest digest)
        {
            _quota.Unpin(digest);
            _pinned.Remove(digest);
            if (_kept.ContainsKey(digest)) AddResident(digest, TakeResident(digest));
        }

        private void AddResident(Digest digest, long size)
        {
            if (_pinned.Contains(digest)) _kept.Add(digest, size);
            else _residents.Add((digest, size));
        }

        // Its size; 0 if it is not there.
        private long TakeResident(Digest digest)
        {
            if (_kept.Remove(digest, out var kept)) return kept;
            var at = _residents.FindIndex(resident => resident.Digest == digest);
            if (at < 0) return 0;
            var size = _residents[at].Size;
            _residents.RemoveAt(at);
            return size;
        }

        private void Adopt(Digest digest, int size)
        {
            _quota.Adopt(digest, size);
            TakeResident(digest);
            AddResident(digest, size);
        }

        private void Measure(int which, int amount)
        {
            var written = _reservations.Sum() / (1 + which % 3);
            _quota.SetFree(3 * amount, written);
            _quota.MinFree = _minFree = which;
            _free = 3 * amount - (_reservations.Sum() - written);
        }

        private void Shrink(List<Victim> expected) => Evict(0, expected);

        private void Evict(long size, List<Victim> expected)
        {
            var reachable = !(_free + Loose - size < _minFree);
            while (_residents.Count > 0)
            {
                var over = Taken + size > _limit;
                if (!over && !(reachable && _free - size < _minFree)) return;
                expected.Add(new Victim(_residents[0].Digest, _residents[0].Size, over ? EvictionReason.Quota : EvictionReason.Space));
                _free += _residents[0].Size;
                _residents.RemoveAt(0);
            }
        }

        private bool TakeReservation(int which, out long reserved)
        {
            reserved = 0;
            if (_reservations.Count == 0) return false;
            reserved = _reservations[which % _reservations.Count];
            _reservations.RemoveAt(which % _reservations.Count);
            return true;
        }
    }
}
