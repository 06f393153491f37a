using System.Diagnostics;
using System.Text.RegularExpressions;
using Entrepot.FunctionalTests.Cli;
using Entrepot.FunctionalTests.Kit;
using Entrepot.FunctionalTests.Registry;

namespace Entrepot.FunctionalTests.Bundles;

/// <summary>The disk of a site fails or is full in the middle of an import that replaces a set, or the process ends there.</summary>
public sealed partial class ImportFaultTests : SiteTest, IDisposable
{
    private const string Staging = "/staging/", Records = "/records/";

    private readonly FaultyFiles _disk = new();
    private readonly Content _elsewhere = new();
    private readonly ImageArchive _archive = new();
    private readonly TestImage _old, _moved, _gone, _kept, _new;

    public ImportFaultTests()
    {
        _old = Image("app", 660, 661);
        _gone = Image("gone", 662);
        _kept = Image("kept", 663);
        _moved = Image("app", 664, 661);
        _new = Image("new", 665);
    }

    private protected override Setup Setup => new() { Files = _disk, Options = options => options with { Offline = true } };

    public void Dispose() => _archive.Dispose();

    [Theory]
    [InlineData(nameof(FileCall.OpenToWrite), Staging, FaultyFiles.NoDescriptor, 0)]
    [InlineData(nameof(FileCall.OpenToWrite), Staging, FaultyFiles.Access, 3)]
    [InlineData(nameof(FileCall.Write), Staging, FaultyFiles.Io, 0)]
    [InlineData(nameof(FileCall.Write), Staging, FaultyFiles.Io, 2)]
    [InlineData(nameof(FileCall.Write), Staging, FaultyFiles.NoSpace, 4)]
    [InlineData(nameof(FileCall.Flush), Staging, FaultyFiles.Io, 1)]
    [InlineData(nameof(FileCall.Flush), Staging, FaultyFiles.Io, 4)]
    [InlineData(nameof(FileCall.Write), Records, FaultyFiles.NoSpace, 0)]
    [InlineData(nameof(FileCall.Write), Records, FaultyFiles.Io, 0)]
    public async Task DiskFails_IsSaidAndTheOldSetStaysAndTheSameCommandWorksLater(string call, string where, int error, int after)
    {
        await ImportOldAsync();
        FailAfter(Enum.Parse<FileCall>(call), where, error, after);

        var ran = await ImportNewAsync();

        Assert.Equal((1, ""), (ran.Status, ran.Out));
        Assert.Matches(Said(), ran.Error);
        await IsExactlyAsync(_old, _gone, _kept);
        Assert.Empty(Directory.EnumerateFiles(Path.Combine(Cache.Options.StorageRoot, "staging")));
        Assert.Equal(0, (await Cache.MetricsAsync()).Sum("entrepot_storage_reserved_bytes"));

        _disk.Fault = (_, _, _) => 0;
        await Appliance.UntilAsync(async () => (await ImportNewAsync()).Status == 0, () => "it is refused although the disk is well again");
        await IsExactlyAsync(_moved, _kept, _new);
    }

    [Theory]
    [InlineData(nameof(FileCall.Write))]
    [InlineData(nameof(FileCall.Flush))]
    public async Task DiskFails_WithTheSecondListOfReferrers_NeitherOfThemStays(string call)
    {
        await ImportOldAsync();
        var (signature, sbom) = (Referrer(_moved), Referrer(_kept));
        var sent = new[] { _moved, _kept, _new, signature, sbom }.SelectMany(BlobsOf).ToList();
        var lists = new HashSet<string>();
        _disk.Fault = (which, path, _) =>
        {
            if (which != Enum.Parse<FileCall>(call) || !path.Contains(Staging, StringComparison.Ordinal) || sent.Any(path.Contains)) return 0;
            lock (lists) return lists.Add(path) && lists.Count == 2 ? FaultyFiles.Io : 0;
        };

        var ran = await ImportAsync(_moved, _kept, _new, signature, sbom);

        Assert.Equal((1, ""), (ran.Status, ran.Out));
        Assert.Matches(Said(), ran.Error);
        Assert.Equal(2, lists.Count);
        await IsExactlyAsync(_old, _gone, _kept);
        Assert.Empty(Directory.EnumerateFiles(Path.Combine(Cache.Options.StorageRoot, "staging")));
        Assert.Equal(0, (await Cache.MetricsAsync()).Sum("entrepot_storage_reserved_bytes"));
        _disk.Fault = (_, _, _) => 0;
        (await ImportAsync(_moved, _kept, _new, signature, sbom)).IsFine();
        await PullsAsync(_moved, _kept, _new);
    }

    [Fact]
    public async Task DiskFails_WhileWhatIsReplacedGoes_TheImportIsDoneAndTheNextStartEndsIt()
    {
        await ImportOldAsync();
        FailAfter(FileCall.Open, _gone.Manifest.Digest.Hex, FaultyFiles.Io, 0);

        (await ImportNewAsync()).IsFine();

        await PullsAsync(_moved, _kept, _new);
        Assert.True(Cache.Store.Has(_gone.Layers[0].Digest));
        _disk.Fault = (_, _, _) => 0;
        await Cache.RestartAsync();
        await IsExactlyAsync(_moved, _kept, _new);
    }

    [Fact]
    public async Task DiskFails_WhileWhatIsReplacedGoes_TheNextImportEndsIt()
    {
        await ImportOldAsync();
        FailAfter(FileCall.Open, _gone.Manifest.Digest.Hex, FaultyFiles.Io, 0);
        (await ImportNewAsync()).IsFine();
        _disk.Fault = (_, _, _) => 0;

        (await ImportNewAsync()).IsFine();

        await IsExactlyAsync(_moved, _kept, _new);
    }

    [Fact]
    public async Task ProcessEnds_BetweenTheNewSetAndTheEndOfTheOldOne_TheNextStartEndsIt()
    {
        await ImportOldAsync();
        var crashed = In("crashed");
        _disk.Fault = (call, path, _) =>
        {
            if (call is FileCall.Open && path.Contains(_gone.Manifest.Digest.Hex, StringComparison.Ordinal) && !Directory.Exists(crashed)) Copy(Cache.Options.StorageRoot, crashed);
            return 0;
        };
        (await ImportNewAsync()).IsFine();
        _disk.Fault = (_, _, _) => 0;
        Assert.Contains(_gone.Layers[0].Digest, new Store(crashed).Checked());

        await Cache.RestartAsync(options => options with { StorageRoot = crashed });

        await IsExactlyAsync(_moved, _kept, _new);
        (await CommandAsync("remove", "--set", "site")).IsFine();
        Assert.Empty(new Store(crashed).Checked());
    }

    private TestImage Image(string name, params int[] seeds) => _elsewhere.AddImage($"org/{name}", "1", [.. seeds.Select(seed => TestBlob.Random(50_000 + seed, seed))]);

    private async Task ImportOldAsync() => (await ImportAsync(_old, _gone, _kept)).IsFine();

    private Task<Ran> ImportNewAsync() => ImportAsync(_moved, _kept, _new);

    private Task<Ran> ImportAsync(params TestImage[] images) =>
        CommandAsync("bundle", "import", _archive.Layout("site.tar", images.Select(image => (NameOf(image), image))), "--set", "site");

    private static string NameOf(TestImage image) =>
        image.Tag.Length > 0 ? $"docker.io/{image.Repository}:{image.Tag}" : $"docker.io/{image.Repository}@{image.Manifest.Digest}";

    private TestImage Referrer(TestImage subject) => new(
        subject.Repository, "", _elsewhere.AddReferrer(subject.Repository, subject.Manifest, "application/vnd.example.signature"), _elsewhere.AddBlob("{}"u8.ToArray()), []);

    private void FailAfter(FileCall which, string where, int error, int after)
    {
        var calls = 0;
        _disk.Fault = (call, path, _) => call == which && path.Contains(where, StringComparison.Ordinal) && Interlocked.Increment(ref calls) > after ? error : 0;
    }

    private async Task PullsAsync(params TestImage[] images)
    {
        foreach (var image in images)
        {
            (await Cache.GetManifestAsync("1", image.Repository)).Is(image.Manifest.Bytes);
            foreach (var blob in image.Layers.Append(image.Config)) (await Cache.GetAsync(Appliance.PathOf(blob.Digest, image.Repository))).Is(blob.Bytes);
        }
    }

    // These images, all of them, and nothing else: no name, and no blob, once what is on its way out is gone.
    private async Task IsExactlyAsync(params TestImage[] images)
    {
        var blobs = images.SelectMany(BlobsOf).ToHashSet();
        await Appliance.UntilAsync(
            () => Task.FromResult(blobs.SetEquals(Stored())), () => $"it has {string.Join(", ", Stored().Except(blobs))} besides, and lacks {string.Join(", ", blobs.Except(Stored()))}");
        Assert.Equal(blobs.Count, new Store(Cache.Options.StorageRoot).Checked().Count);
        await PullsAsync(images);
        foreach (var image in new[] { _old, _gone, _moved, _new }.Except(images))
            Assert.Equal(404, (await Cache.GetManifestAsync(image.Manifest.Digest.ToString(), image.Repository)).Status);
        foreach (var image in new[] { _gone, _new }.Except(images)) Assert.Equal(404, (await Cache.GetManifestAsync("1", image.Repository)).Status);

        IReadOnlyList<string> Stored() =>
            [.. Directory.EnumerateFiles(Path.Combine(Cache.Options.StorageRoot, "blobs"), "*", SearchOption.AllDirectories).Select(file => Path.GetFileName(file))];
    }

    private static IEnumerable<string> BlobsOf(TestImage image) => image.Layers.Append(image.Config).Select(blob => blob.Digest).Append(image.Manifest.Digest).Select(digest => digest.Hex);

    // By a program: this process has some of the files for itself.
    private static void Copy(string from, string to)
    {
        using var copying = Process.Start("cp", ["-r", from, to]);
        copying.WaitForExit();
    }

    [GeneratedRegex(@"^entrepot: the store failed: .*scripted: .*; nothing was imported, and once that is mended the same command can be run again\n$")]
    private static partial Regex Said();
}
