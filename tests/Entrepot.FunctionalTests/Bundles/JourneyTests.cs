using System.Diagnostics;
using Entrepot.FunctionalTests.Cli;
using Entrepot.FunctionalTests.Kit;
using Entrepot.FunctionalTests.Registry;

namespace Entrepot.FunctionalTests.Bundles;

/// <summary>An appliance that exports, another one that is offline and imports, and files that are carried between them.</summary>
public sealed class JourneyTests : SiteTest
{
    private const string App = "docker.io/org/app:1";
    private const int LayerBytes = 100_000;

    [Fact]
    public async Task DeltaThatIsLost_IsMadeUpForByTheNextSinceWhatTheSiteHas()
    {
        await using var far = await StartFarAsync();
        await MoveAsync(1);
        await CarryAsync(far, "full.tar");
        await MoveAsync(2);
        await ExportAsync("lost.tar", "--since", In("full.receipt.json"));
        File.Delete(In("lost.tar"));
        var third = await MoveAsync(3);

        await CarryAsync(far, "next.tar", "--since", In("full.receipt.json"));

        await far.PullAsync(third);
    }

    [Fact]
    public async Task Delta_SinceAllThatIsThere_CarriesNoBlobs()
    {
        await using var far = await StartFarAsync();
        await MoveAsync(1);
        await CarryAsync(far, "full.tar");
        var second = await MoveAsync(2);
        await CarryAsync(far, "delta.tar", "--since", In("full.receipt.json"));
        Write("list.json", (await CommandLine.RunAsync(far.Admin, "list", "--output", "json")).IsFine().Out);

        await CarryAsync(far, "list.tar", "--since", In("list.json"));
        await CarryAsync(far, "receipts.tar", "--since", In("full.receipt.json"), "--since", In("delta.receipt.json"));

        Assert.All((string[])["list.tar", "receipts.tar"], name => Assert.InRange(new FileInfo(In(name)).Length, 1, LayerBytes / 2));
        Assert.InRange(new FileInfo(In("delta.tar")).Length, LayerBytes, 2 * LayerBytes);
        await far.PullAsync(second);
    }

    [Theory]
    [InlineData("one", "two")]
    [InlineData("one")]
    [InlineData("two")]
    public async Task Delta_SinceReceiptsOfDifferentImages_LeavesOutWhatAnyOfThemHas(params string[] since)
    {
        await using var far = await StartFarAsync();
        var images = new Dictionary<string, TestImage>();
        foreach (var name in (string[])["one", "two", "three"])
        {
            images[name] = Registry.Content.AddImage("org/app", name, TestBlob.Random(LayerBytes, 960 + name[1]));
            await Cache.PullAsync(images[name]);
            if (name == "three") continue;
            (await CommandAsync("bundle", "export", "-o", In($"{name}.tar"), $"org/app:{name}")).IsFine();
            (await CommandLine.RunAsync(far.Admin, "bundle", "import", In($"{name}.tar"), "--set", name)).IsFine();
        }

        (await CommandAsync(["bundle", "export", "-o", In("delta.tar"), .. images.Keys.Select(name => $"org/app:{name}"), .. since.SelectMany(name => (string[])["--since", In($"{name}.receipt.json")])])).IsFine();
        (await CommandLine.RunAsync(far.Admin, "bundle", "import", In("delta.tar"), "--set", "all")).IsFine();

        var carried = images.Count - since.Length;
        Assert.InRange(new FileInfo(In("delta.tar")).Length, carried * LayerBytes, (carried + 1) * LayerBytes - LayerBytes / 2);
        foreach (var name in (string[])["one", "two"]) (await CommandLine.RunAsync(far.Admin, "remove", "--set", name)).IsFine();
        foreach (var image in images.Values) await far.PullAsync(image);
    }

    [Theory]
    [InlineData("full.tar", "delta.tar")]
    [InlineData("delta.tar", "full.tar")]
    public async Task FullAndDelta_InOneCommand_GiveTheNewerTags(string one, string other)
    {
        await using var far = await StartFarAsync();
        var (first, stays) = (await MoveAsync(1), Registry.Content.AddImage("org/app", "stays", TestBlob.Random(LayerBytes, seed: 950)));
        await ExportAsync("full.tar", "org/app:stays");
        var second = await MoveAsync(2);
        await ExportAsync("delta.tar", "org/app:stays", "--since", In("full.receipt.json"));

        (await CommandLine.RunAsync(far.Admin, "bundle", "import", In(one), In(other), "--set", "site")).IsFine();

        await far.PullAsync(second);
        await far.PullAsync(stays);
        Assert.False(far.Store.Has(first.Layers[0].Digest));
        Assert.Equal(404, (await far.GetManifestAsync(first.Manifest.Digest.ToString())).Status);
    }

    [Fact]
    public async Task Paths_AreRelativeToTheCommandsOwnDirectory()
    {
        await using var far = await StartFarAsync();
        var image = await MoveAsync(1);
        Directory.CreateDirectory(In("out"));
        Write("images.txt", App);

        await RunThereAsync(Cache, "warm", "--from", "images.txt");
        await RunThereAsync(Cache, "bundle", "export", "-o", "out/site.tar", "--from", "images.txt");
        await RunThereAsync(Cache, "bundle", "export", "-o", "out/delta.tar", "--since", "out/site.receipt.json", "--from", "images.txt");
        await RunThereAsync(far, "bundle", "import", "out/site.tar");

        Assert.True(File.Exists(In("out/delta.receipt.json")));
        await far.PullAsync(image);
    }

    private async Task<Appliance> StartFarAsync()
    {
        var far = await Appliance.StartAsync(Registry);
        await far.RestartAsync(options => options with { Offline = true });
        return far;
    }

    // The tag means an image of another layer from now on, and it is stored here.
    private async Task<TestImage> MoveAsync(int seed)
    {
        var image = Registry.Content.AddImage("org/app", "1", TestBlob.Random(LayerBytes, 900 + seed));
        if (seed > 1) (await CommandAsync("refresh", App)).IsFine();
        await Cache.PullAsync(image);
        return image;
    }

    private async Task ExportAsync(string file, params string[] arguments) => (await CommandAsync(["bundle", "export", "-o", In(file), App, .. arguments])).IsFine();

    private async Task CarryAsync(Appliance far, string file, params string[] arguments)
    {
        await ExportAsync(file, arguments);
        (await CommandLine.RunAsync(far.Admin, "bundle", "import", In(file), "--set", "site")).IsFine();
    }

    // As a process of its own, whose directory is that of the files.
    private async Task RunThereAsync(Appliance server, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(
            "dotnet", [Path.Combine(AppContext.BaseDirectory, "entrepot.dll"), .. arguments, "--server", server.Admin.GetLeftPart(UriPartial.Authority)])
        {
            WorkingDirectory = In(""),
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        var said = await Task.WhenAll(process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync()).WaitAsync(Appliance.Patience);
        await process.WaitForExitAsync();
        Assert.True(process.ExitCode == 0, string.Join('\n', said));
    }
}
