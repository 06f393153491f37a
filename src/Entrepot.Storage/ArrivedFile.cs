using Entrepot.Oci;

namespace Entrepot.Storage;

/// <summary>A whole, verified, flushed file that is to get its blob's name. An immutable value.</summary>
/// <param name="Path">Where it is.</param>
/// <param name="Digest">The blob.</param>
/// <param name="Size">Bytes of it.</param>
/// <param name="Reserved">Bytes on disk that are set aside for it.</param>
/// <param name="Named">Called when it has the name, under the lock of that name.</param>
internal sealed record ArrivedFile(string Path, Digest Digest, long Size, long Reserved, Action Named);
