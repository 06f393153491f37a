using System.Diagnostics;
using Entrepot.Oci;

namespace Entrepot.Pull;

/// <summary>Blobs in a few lists, each in the order in which they came into it, and found by their digest. What eviction policies are made of.</summary>
/// <remarks>
/// <para>Not safe for concurrent use. Every operation takes constant time. Sizes are bytes. A blob has a place, a number that it keeps until it is removed.</para>
/// <para>The lists are linked both ways through the entries, and there is a hash table of its own over the same entries. A
/// dictionary of list nodes would do the same at more than twice the memory; with a million blobs, that counts.</para>
/// <para>Memory: 72 bytes for an entry, at most 8 for its share of the buckets (12 while these grow); a sha512 digest keeps 48 more. Entries
/// live in blocks that never move: one array would, just after it has doubled, cost each blob twice as much, and three times while it is copied.
/// What has been taken is used again, never given back. Only growth allocates.</para>
/// </remarks>
internal sealed class BlobLists
{
    /// <summary>No blob's place.</summary>
    public const int None = -1;

    private const int BlockBits = 10;   // 72 KiB a block: not yet a large object for the garbage collector
    private const int BlockSize = 1 << BlockBits;

    private readonly Ends[] _lists;
    private Entry[][] _blocks = [];
    private int[] _buckets = NewBuckets(16);   // a power of two; the first entry of each chain
    private int _taken;                        // entries that have ever been in use
    private int _free = None;                  // the first of those that are not any more, linked by Chain

    /// <summary>So many lists, numbered from 0, all of them empty.</summary>
    public BlobLists(int count)
    {
        Debug.Assert(count is > 0 and <= byte.MaxValue);
        _lists = new Ends[count];
        _lists.AsSpan().Fill(new Ends { Coldest = None, Newest = None });
    }

    /// <summary>Blobs in all lists.</summary>
    public int Count { get; private set; }

    /// <summary>Bytes of the blobs of one list.</summary>
    public long BytesOf(int list) => _lists[list].Bytes;

    /// <summary>The blob that came into a list before all others that are in it, or <see cref="None"/>.</summary>
    public int Coldest(int list) => _lists[list].Coldest;

    /// <summary>The blob that came into the same list next, or <see cref="None"/>.</summary>
    public int Newer(int place) => At(place).Newer;

    /// <summary>The blob that came into the same list just before, or <see cref="None"/>.</summary>
    public int Colder(int place) => At(place).Colder;

    /// <summary>A blob's name and size.</summary>
    public (Digest Digest, long Size) this[int place] => (At(place).Digest, At(place).Size);

    /// <summary>The list that a blob is in.</summary>
    public int ListOf(int place) => At(place).List;

    /// <summary>A number that a policy keeps with a blob; 0 when it is added.</summary>
    public ref ushort Mark(int place) => ref At(place).Mark;

    /// <summary>A blob's place, or <see cref="None"/>.</summary>
    public int Find(Digest digest)
    {
        var index = BucketOf(digest);
        while (index != None && At(index).Digest != digest) index = At(index).Chain;
        return index;
    }

    /// <summary>Adds a blob that is not in, as the newest of a list.</summary>
    /// <returns>Its place.</returns>
    public int Add(Digest digest, long size, int list)
    {
        Debug.Assert(size >= 0 && Find(digest) == None);
        if (Count == _buckets.Length) GrowBuckets();
        var index = Take();
        ref var entry = ref At(index);
        ref var bucket = ref BucketOf(digest);
        (entry.Digest, entry.Size, entry.Chain, entry.Mark) = (digest, size, bucket, 0);
        bucket = index;
        LinkNewest(index, list);
        Count++;
        return index;
    }

    /// <summary>Makes a blob the newest of a list, the one that it is in or another.</summary>
    public void Move(int place, int list)
    {
        Unlink(place);
        LinkNewest(place, list);
    }

    /// <summary>Gives a blob another size; it stays where it is.</summary>
    public void Resize(int place, long size)
    {
        ref var entry = ref At(place);
        _lists[entry.List].Bytes += size - entry.Size;
        entry.Size = size;
    }

    /// <summary>Takes a blob out.</summary>
    public void Remove(int place)
    {
        Unlink(place);
        ref var entry = ref At(place);
        ref var link = ref BucketOf(entry.Digest);
        while (link != place) link = ref At(link).Chain;

        link = entry.Chain;
        entry.Chain = _free;
        _free = place;
        Count--;
    }

    /// <summary>The blobs of a list, the coldest first. They must not change meanwhile.</summary>
    public IEnumerable<(Digest Digest, long Size)> InOrder(int list)
    {
        for (var place = Coldest(list); place != None; place = Newer(place)) yield return this[place];
    }

    // The hash is seeded anew in each process, so nobody can choose contents that share a chain.
    private ref int BucketOf(Digest digest) => ref _buckets[digest.GetHashCode() & (_buckets.Length - 1)];

    private ref Entry At(int index) => ref _blocks[index >> BlockBits][index & (BlockSize - 1)];

    private int Take()
    {
        if (_free != None)
        {
            var reused = _free;
            _free = At(reused).Chain;
            return reused;
        }

        var block = _taken >> BlockBits;
        if (block == _blocks.Length) Array.Resize(ref _blocks, Math.Max(4, 2 * _blocks.Length));
        _blocks[block] ??= new Entry[BlockSize];
        return _taken++;
    }

    private void Unlink(int index)
    {
        ref var entry = ref At(index);
        ref var list = ref _lists[entry.List];
        list.Bytes -= entry.Size;
        if (entry.Colder == None) list.Coldest = entry.Newer;
        else At(entry.Colder).Newer = entry.Newer;
        if (entry.Newer == None) list.Newest = entry.Colder;
        else At(entry.Newer).Colder = entry.Colder;
    }

    private void LinkNewest(int index, int number)
    {
        ref var entry = ref At(index);
        ref var list = ref _lists[number];
        (entry.List, entry.Colder, entry.Newer) = ((byte)number, list.Newest, None);
        list.Bytes += entry.Size;
        if (list.Newest == None) list.Coldest = index;
        else At(list.Newest).Newer = index;
        list.Newest = index;
    }

    private void GrowBuckets()
    {
        _buckets = NewBuckets(2 * _buckets.Length);
        for (var list = 0; list < _lists.Length; list++)
        {
            for (var index = Coldest(list); index != None; index = Newer(index))
            {
                ref var entry = ref At(index);
                ref var bucket = ref BucketOf(entry.Digest);
                entry.Chain = bucket;
                bucket = index;
            }
        }
    }

    private static int[] NewBuckets(int count)
    {
        var buckets = new int[count];
        buckets.AsSpan().Fill(None);
        return buckets;
    }

    private struct Ends
    {
        public int Coldest;
        public int Newest;
        public long Bytes;
    }

    private struct Entry
    {
        public Digest Digest;
        public long Size;
        public int Colder;
        public int Newer;
        public int Chain;   // the next of the same bucket, or the next that is free
        public byte List;
        public ushort Mark;
    }
}
