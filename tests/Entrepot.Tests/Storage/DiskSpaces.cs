using Entrepot.Oci;
using Entrepot.Pull;
using Entrepot.Storage;

namespace Entrepot.Tests.Storage;

/// <summary>Stores with room for what tests put into them.</summary>
internal static class DiskSpaces
{
    private const long Plenty = 1L << 40;

    public static DiskSpace Large(StoreRoot root, ICacheIndex index)
    {
        var space = new DiskSpace(root, index, new LruPolicy(), Plenty, minFree: 0);
        space.MeasureAsync(default).GetAwaiter().GetResult();
        return space;
    }

    public static DiskBlobStore Store(StoreRoot root, ICacheIndex index, Action<Digest> falseFile) =>
        new(root, index, Large(root, index), TimeProvider.System, falseFile);
}
