using System.Diagnostics;
using Entrepot.Oci;

namespace Entrepot.Pull;

/// <summary>The blob that was used longest ago leaves first.</summary>
/// <remarks>
/// <para>A list, linked both ways through the entries from the coldest to the newest, and a hash table of its own over the same entries. A
/// dictionary of list nodes would do the same at more than twice the memory; with a million blobs, that counts.</para>
/// <para>Memory: 72 bytes for an entry, at most 8 for its share of the buckets (12 while these grow); a sha512 digest keeps 48 more. Entries
/// live in blocks that never move: one array would, just after it has doubled, cost each blob twice as much, and three times while it is copied.
/// What has been taken is used again, never given back. Only growth allocates.</para>
/// </remarks>
public sealed class LruPolicy : EvictionPolicy
{
    private const int None = -1;
    private const int BlockBits = 10;   // 72 KiB a block: not yet a large object for the garbage collector
    private const int BlockSize = 1 << BlockBits;

    private Entry[][] _blocks = [];
    private int[] _buckets = NewBuckets(16);   // a power of two; the first entry of each chain
    private int _taken;                        // entries that have ever been in use
    private int _free = None;                  // the first of those that are not any more, linked by Chain
    private int _coldest = None;
    private int _newest = None;
    private int _count;

    /// <inheritdoc/>
    public override int Count => _count;

    /// <inheritdoc/>
    public override void Insert(Digest digest, long size)
    {
        Debug.Assert(size >= 0);
        var index = Find(digest);
        if (index != None)
        {
            At(index).Size = size;
            Unlink(index);
            LinkNewest(index);
            return;
        }

        if (_count == _buckets.Length) GrowBuckets();
        index = Take();
        ref var entry = ref At(index);
        ref var bucket = ref BucketOf(digest);
        (entry.Digest, entry.Size, entry.Chain) = (digest, size, bucket);
        bucket = index;
        LinkNewest(index);
        _count++;
    }

    /// <inheritdoc/>
    public override void Touch(Digest digest)
    {
        var index = Find(digest);
        if (index == None || index == _newest) return;
        Unlink(index);
        LinkNewest(index);
    }

    /// <inheritdoc/>
    public override bool Remove(Digest digest, out long size)
    {
        ref var link = ref BucketOf(digest);
        while (link != None && At(link).Digest != digest) link = ref At(link).Chain;

        var index = link;
        if (index == None)
        {
            size = 0;
            return false;
        }

        Unlink(index);
        ref var entry = ref At(index);
        size = entry.Size;
        link = entry.Chain;
        entry.Chain = _free;
        _free = index;
        _count--;
        return true;
    }

    /// <inheritdoc/>
    public override bool TryFind(Digest digest, out long size)
    {
        var index = Find(digest);
        size = index == None ? 0 : At(index).Size;
        return index != None;
    }

    /// <inheritdoc/>
    public override bool TryPeek(out Digest digest, out long size)
    {
        (digest, size) = _coldest == None ? default : (At(_coldest).Digest, At(_coldest).Size);
        return _coldest != None;
    }

    /// <inheritdoc/>
    public override IEnumerable<(Digest Digest, long Size)> InOrder()
    {
        for (var index = _coldest; index != None; index = At(index).Newer)
            yield return (At(index).Digest, At(index).Size);
    }

    private int Find(Digest digest)
    {
        var index = BucketOf(digest);
        while (index != None && At(index).Digest != digest) index = At(index).Chain;
        return index;
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
        var (colder, newer) = (At(index).Colder, At(index).Newer);
        if (colder == None) _coldest = newer;
        else At(colder).Newer = newer;
        if (newer == None) _newest = colder;
        else At(newer).Colder = colder;
    }

    private void LinkNewest(int index)
    {
        (At(index).Colder, At(index).Newer) = (_newest, None);
        if (_newest == None) _coldest = index;
        else At(_newest).Newer = index;
        _newest = index;
    }

    private void GrowBuckets()
    {
        _buckets = NewBuckets(2 * _buckets.Length);
        for (var index = _coldest; index != None; index = At(index).Newer)
        {
            ref var entry = ref At(index);
            ref var bucket = ref BucketOf(entry.Digest);
            entry.Chain = bucket;
            bucket = index;
        }
    }

    private static int[] NewBuckets(int count)
    {
        var buckets = new int[count];
        buckets.AsSpan().Fill(None);
        return buckets;
    }

    private struct Entry
    {
        public Digest Digest;
        public long Size;
        public int Colder;
        public int Newer;
        public int Chain;   // the next of the same bucket, or the next that is free
    }
}
