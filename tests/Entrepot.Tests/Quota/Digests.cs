using System.Buffers.Binary;
using Entrepot.Oci;

namespace Entrepot.Tests.Quotas;

/// <summary>Digests that differ.</summary>
internal static class Digests
{
    public static Digest[] Some(int count)
    {
        var digests = new Digest[count];
        var content = new byte[4];
        for (var i = 0; i < count; i++)
        {
            BinaryPrimitives.WriteInt32LittleEndian(content, i);
            digests[i] = Digest.Of(content);
        }

        return digests;
    }
}
