using System.Net;
using System.Text;
using Entrepot.FunctionalTests.Admin;
using Entrepot.FunctionalTests.Kit;
using Entrepot.Oci;
using Entrepot.Pull;
using Entrepot.Storage;

namespace Entrepot.FunctionalTests.Faults;

/// <summary>Stores that are not as they were left: files that are gone, cut, changed, or somebody else's.</summary>
public sealed class StoreFaultTests : StorageFaultTest
{
    [Theory]
    [Fault("the index is deleted", "index deleted")]
    [Fault("the index's seal is cut", "seal cut")]
    [Fault("the index's seal is another program's", "seal changed")]
    [Fault("a checkpoint of the index is torn", "checkpoint cut")]
    [Fault("a checkpoint of the index is changed", "checkpoint changed")]
    [Fault("the records' last line is torn", "record torn")]
    [Fault("a line of the records is somebody else's", "record foreign")]
    [Fault("the records are deleted", "records deleted")]
    [Fault("foreign files in blobs/ and partial/", "foreign")]
    [Fault("a layer's file is deleted", "blob deleted")]
    [Fault("a layer's file is cut", "blob cut")]
    [Fault("a layer's file is longer than it was", "blob longer")]
    [Fault("a layer's file is changed, its length is not", "blob changed")]
    [Fault("a layer's file is changed, and the index is deleted", "blob changed, no index")]
    [Fault("what rests of a layer is cut", "rest cut")]
    public async Task Store_ChangedAtRest_NothingWrongIsServed(string fault, string what)
    {
        await SpoilAsync(fault, () => Spoil(what), atRest: true);
        foreach (var foreign in Foreign.Where(File.Exists)) File.Delete(foreign);
        Cache.Store.Checked();
    }

    [Theory]
    [Fault("a layer's file is deleted while the cache runs", "blob deleted")]
    [Fault("a layer's file is cut while the cache runs", "blob cut")]
    [Fault("a layer's file is changed while the cache runs, its length is not", "blob changed")]
    [Fault("the index is deleted while the cache runs", "index deleted")]
    public async Task Store_ChangedWhileItRuns_NothingWrongIsServed(string fault, string what)
    {
        await SpoilAsync(fault, () => Spoil(what), atRest: false);
        Cache.Store.Checked();
    }

    [Theory]
    [Fault("a layer rots: a bit changes, and the scrub comes by")]
    public async Task Store_Rots_TheScrubDropsAndFetchesAgain(string fault)
    {
        await SpoilAsync(fault, () => Rot(KnownLayer), atRest: true, async () =>
        {
            await Cache.MetricsAsync(metrics => metrics.Sum("entrepot_verify_failures_total", "where=\"scrub\"") == 1);
            await Cache.StoredAsync(Known.Layers[0].Digest);
            await Cache.MetricsAsync(metrics => metrics.Sum("entrepot_scrub_last_end_timestamp_seconds") > 0);
            await Cache.IdleAsync();
        });
        Cache.Store.Checked();
        var scrub = (await Cache.StatusAsync()).Json["scrub"]!;
        Assert.Equal(("waiting", true), ((string?)scrub["state"], scrub["lastEnd"] is not null && scrub["next"] is not null));
    }

    [Fact]
    public async Task Readiness_NothingCanBeReadAndNobodyAsked_IsNotReady()
    {
        Cache.Reload(options => options with { Offline = true });
        Files.Fault = (call, _, _) => call is FileCall.Open or FileCall.OpenToWrite ? FaultyFiles.Io : 0;
        await Cache.GetBlobAsync(Known.Layers[0]);

        await Appliance.UntilAsync(
            async () => await Cache.AdminAsync("/readyz") == (HttpStatusCode.ServiceUnavailable, "not ready: the store cannot be read (io), and no upstream is in reach\n"), () => "it is ready");

        Cache.Reload(options => options with { Offline = false });
        Assert.Equal(HttpStatusCode.OK, (await Cache.AdminAsync("/readyz")).Status);
        Files.Fault = (_, _, _) => 0;
        await Appliance.UntilAsync(async () => await Cache.AdminAsync("/readyz") == (HttpStatusCode.OK, "ready\n"), () => "it is not well again");
    }

    // As a disk does it, which tells nobody. The scrub is due with the next start.
    private void Rot(string path)
    {
        var time = File.GetLastWriteTimeUtc(path);
        Change(path);
        File.SetLastWriteTimeUtc(path, time);
        var longAgo = DateTimeOffset.UnixEpoch;
        using var root = StoreRoot.Open(Root);
        new ScrubFile(root).Save(new ScrubMark(longAgo, null, longAgo));
    }

    private string[] Foreign => [Path.Combine(Root, "blobs", "notes.txt"), Path.Combine(Root, "blobs", "sha256", "ab", "cd"), Path.Combine(Root, "partial", "notes.txt")];

    private void Spoil(string what)
    {
        var index = Path.Combine(Root, "index");
        var records = Path.Combine(Root, "records", "log");
        switch (what)
        {
            case "index deleted": Directory.Delete(index, recursive: true); break;
            case "seal cut": Cut(Path.Combine(index, "seal")); break;
            case "seal changed": File.WriteAllText(Path.Combine(index, "seal"), "not a seal\n"); break;
            case "checkpoint cut": Cut(Directory.GetFiles(index, "blobs-*.log")[0]); break;
            case "checkpoint changed": Change(Directory.GetFiles(index, "references-*.log")[0]); break;
            case "record torn": File.AppendAllText(records, "00000000 {\"kind\":\"Tag\",\"upst"); break;
            case "record foreign": File.WriteAllText(records, "somebody was here\n" + File.ReadAllText(records), Encoding.ASCII); break;
            case "records deleted": File.Delete(records); break;
            case "foreign":
                Directory.CreateDirectory(Path.GetDirectoryName(Foreign[1])!);
                foreach (var file in Foreign) File.WriteAllText(file, "somebody was here\n");
                File.WriteAllText(Path.Combine(Root, "partial", new string('0', 64)), "half of something");
                break;
            case "blob deleted": File.Delete(KnownLayer); break;
            case "blob cut": Cut(KnownLayer); break;
            case "blob longer": File.AppendAllText(KnownLayer, "more"); break;
            case "blob changed": Change(KnownLayer); break;
            case "blob changed, no index":
                Change(KnownLayer);
                Directory.Delete(index, recursive: true);
                break;
            default:
                var rest = Path.Combine(Root, "partial", Digest.Of("a layer of which something rests"u8).Hex);
                File.WriteAllBytes(rest, new byte[100]);
                File.WriteAllText(rest + ".extents", "00000000 Complete 1000 - 0-900\n");
                break;
        }
    }

    private static void Cut(string path)
    {
        using var file = new FileStream(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete);
        file.SetLength(file.Length / 2);
    }

    private static void Change(string path)
    {
        using var file = new FileStream(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete);
        file.Position = file.Length / 2;
        var one = file.ReadByte();
        file.Position--;
        file.WriteByte((byte)(one ^ 1));
    }
}
