using Entrepot.Oci;
using Entrepot.Pull;

namespace Entrepot.Storage.Index;

/// <summary>Blobs in their table. A row has room for half a sha512 digest: the other half has a row of its own.</summary>
internal static class BlobRows
{
    /// <summary>Remembers a blob that is stored.</summary>
    public static void Add(FasterTable<BlobRow, BlobChange> table, Digest digest, BlobRecord record)
    {
        var key = RowKey.Of(digest);
        if (key.Kind is RowKind.Sha512)
        {
            var hash = Convert.FromHexString(digest.Hex);
            table.TryChange(key with { Kind = RowKind.Sha512Tail }, BlobChange.Put(BlobRow.OfTail(hash.AsSpan(hash.Length / 2))), out _);
        }

        table.TryChange(key, BlobChange.Store(record), out _);
    }

    /// <summary>All that are stored, in no order.</summary>
    public static IEnumerable<KeyValuePair<Digest, BlobRecord>> All(FasterTable<BlobRow, BlobChange> table)
    {
        var hash = new byte[64];
        foreach (var (key, row) in table.Rows())
        {
            if (key.Kind is RowKind.Sha512Tail || row.Record is not { } record) continue;
            key.WriteHash(hash);
            if (key.Kind is RowKind.Sha256)
            {
                yield return new(Digest.FromHash(hash.AsSpan(0, 32)), record);
            }
            else if (table.TryFind(key with { Kind = RowKind.Sha512Tail }, out var tail))
            {
                tail.WriteTail(hash.AsSpan(32));
                yield return new(Digest.FromHash(hash), record);
            }
        }
    }
}
