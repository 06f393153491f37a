using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Entrepot.Storage.Index;

/// <summary>What makes the files of a checkpoint one: it names them and tells what is in them.</summary>
/// <param name="Format">The version of the rows; another one's cannot be read.</param>
/// <param name="Start">Which start of the program it was, counted from 1.</param>
/// <param name="MediaTypes">Media types by number, from 1.</param>
/// <param name="Blobs">The table of blobs.</param>
/// <param name="References">The table of tags and manifests.</param>
/// <param name="Hashes">For each file its sha256.</param>
internal sealed record IndexSeal(
    int Format, long Start, IReadOnlyList<string> MediaTypes, TableCheckpoint Blobs, TableCheckpoint References, IReadOnlyDictionary<string, string> Hashes);

/// <summary>The directory of checkpoints. A checkpoint is there when its seal is; the seal's name is given last, and to one at a time.</summary>
/// <remarks>Used by one thread at a time.</remarks>
internal sealed class IndexDirectory(string path)
{
    private const int HashBufferBytes = 1 << 20;
    private const string SealName = "seal";

    private HashSet<string> _sealed = [SealName];   // what belongs to the newest checkpoint

    /// <summary>The directory.</summary>
    public string Path => path;

    private string SealPath => System.IO.Path.Combine(path, SealName);

    /// <summary>Reads the seal, and whether its files are what they were.</summary>
    /// <returns>The seal; <see langword="null"/> if there is none.</returns>
    /// <exception cref="IOException">There is one, but not what belongs to it; or the disk fails.</exception>
    /// <exception cref="UnauthorizedAccessException">The directory may not be read or written.</exception>
    public IndexSeal? Open()
    {
        Directory.CreateDirectory(path);
        if (!File.Exists(SealPath)) return null;

        var line = File.ReadAllBytes(SealPath).AsSpan().TrimEnd((byte)'\n');
        if (!CheckedLine.TryRead(line, out var json)) throw new InvalidDataException("its seal is spoilt");
        var seal = JsonSerializer.Deserialize(json, SealJson.Default.IndexSeal);
        if (seal is null || seal.Format != FasterCacheIndex.RowFormat) throw new InvalidDataException("its seal is of another version");
        foreach (var (file, hash) in seal.Hashes)
            if (HashOf(file, flush: false) != hash) throw new InvalidDataException($"'{file}' is not what was written");
        _sealed = [SealName, .. seal.Hashes.Keys];
        return seal;
    }

    /// <summary>Makes the files of a checkpoint durable and seals them.</summary>
    /// <param name="files">The names of the files.</param>
    /// <param name="seal">Makes the seal, given the hashes of the files.</param>
    /// <exception cref="IOException">The disk refuses; the seal before it stays.</exception>
    /// <exception cref="UnauthorizedAccessException">The directory may not be written.</exception>
    public void Seal(IEnumerable<string> files, Func<IReadOnlyDictionary<string, string>, IndexSeal> seal)
    {
        var hashes = files.ToDictionary(file => file, file => HashOf(file, flush: true));
        var beside = SealPath + ".new";
        using (var file = File.OpenHandle(beside, FileMode.Create, FileAccess.Write))
        {
            RandomAccess.Write(file, CheckedLine.Of(JsonSerializer.SerializeToUtf8Bytes(seal(hashes), SealJson.Default.IndexSeal)), 0);
            RandomAccess.FlushToDisk(file);
        }

        File.Move(beside, SealPath, overwrite: true);
        Posix.FlushDirectory(path);
        _sealed = [SealName, .. hashes.Keys];
    }

    /// <summary>Removes the files that do not belong to the newest checkpoint: of older ones, and of one that could not be finished.</summary>
    /// <remarks>What cannot be removed now is tried again with the next checkpoint.</remarks>
    public void RemoveLeftovers()
    {
        try
        {
            foreach (var file in Directory.EnumerateFiles(path))
                if (!_sealed.Contains(System.IO.Path.GetFileName(file)) && IsOurs(System.IO.Path.GetFileName(file))) File.Delete(file);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            // They are in nobody's way.
        }
    }

    private static bool IsOurs(string name) =>
        name == $"{SealName}.new" || name.EndsWith(".table", StringComparison.Ordinal) || name.EndsWith(".log", StringComparison.Ordinal);

    private string HashOf(string name, bool flush)
    {
        using var file = File.OpenHandle(System.IO.Path.Combine(path, name), access: flush ? FileAccess.ReadWrite : FileAccess.Read, share: FileShare.ReadWrite | FileShare.Delete);
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var buffer = new byte[HashBufferBytes];
        var at = 0L;
        for (int count; (count = RandomAccess.Read(file, buffer, at)) > 0; at += count) hash.AppendData(buffer, 0, count);
        if (flush) RandomAccess.FlushToDisk(file);
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(IndexSeal))]
internal sealed partial class SealJson : JsonSerializerContext;
