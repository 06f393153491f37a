using System.Diagnostics;
using System.Text.Json.Nodes;
using Entrepot.FunctionalTests.Kit;
using Entrepot.FunctionalTests.Registry;

namespace Entrepot.FunctionalTests.Cli;

/// <summary><c>verify</c> against a running server.</summary>
public sealed class VerifyTests : IAsyncLifetime
{
    private readonly TestRegistry _registry = new();
    private Appliance _cache = null!;
    private TestImage _image = null!;

    public async Task InitializeAsync()
    {
        _cache = await Appliance.StartAsync(_registry);
        _image = _registry.Content.AddImage("org/app", "1", TestBlob.Random(100_000, seed: 440), TestBlob.Random(200_000, seed: 441));
        await _cache.PullAsync(_image);
        await _cache.IdleAsync();   // a blob has its name a little before the index knows of it
    }

    public async Task DisposeAsync()
    {
        await _cache.DisposeAsync();
        await _registry.DisposeAsync();
    }

    [Fact]
    public async Task Verify_AllRight_SaysSo() =>
        Assert.Matches(@"^4 blobs, \d.* KiB verified in \d+ s: nothing is wrong$", (await RunAsync("verify")).IsFine().Lines[^1]);

    [Fact]
    public async Task Verify_WrongBlob_IsNamedRemovedAndStatus1()
    {
        var layer = _image.Layers[1];
        _cache.Store.Plant(layer.Digest, TestBlob.Random(layer.Size, seed: 442).Bytes);

        var ran = await RunAsync("verify");

        Assert.Equal((1, ""), (ran.Status, ran.Error));
        Assert.Equal($"wrong, and removed: {layer.Digest}", ran.Lines[^2]);
        Assert.EndsWith(": 1 wrong, and removed", ran.Lines[^1], StringComparison.Ordinal);
        Assert.False(_cache.Store.Has(layer.Digest));
        (await _cache.GetBlobAsync(layer)).Is(layer.Bytes);
    }

    [Fact]
    public async Task Verify_BlobThatCannotBeRead_IsSaidIsStatus1AndAProblem()
    {
        var path = _cache.Store.PathOf(_image.Layers[0].Digest);
        File.Delete(path);
        File.CreateSymbolicLink(path, path);   // to itself: opening it fails, for root as well

        var ran = await RunAsync("verify");

        Assert.Equal((1, ""), (ran.Status, ran.Error));
        Assert.EndsWith(": nothing that could be read is wrong; 1 blob could not be read: see the server's log", ran.Lines[^1], StringComparison.Ordinal);
        Assert.Contains("A blob could not be read to be verified at ", (await RunAsync("status")).Out, StringComparison.Ordinal);
        var json = await RunAsync("verify", "--output", "json");
        await Schemas.CheckLinesAsync("verify", json);
        Assert.Equal((1, 1), (json.Status, (int)JsonNode.Parse(json.Lines[^1])!["unreadable"]!));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Verify_Json_IsItsLines(bool wrong)
    {
        if (wrong) _cache.Store.Plant(_image.Layers[0].Digest, [1, 2, 3]);

        var ran = await RunAsync("verify", "--output", "json");

        await Schemas.CheckLinesAsync("verify", ran);
        Assert.Equal(wrong ? 1 : 0, ran.Status);
        var last = JsonNode.Parse(ran.Lines[^1])!;
        Assert.True((bool)last["done"]!);
        Assert.Equal(wrong ? [_image.Layers[0].Digest.ToString()] : [], last["wrong"]!.AsArray().Select(digest => (string)digest!));
        Assert.All(ran.Lines[..^1], line => Assert.False((bool)JsonNode.Parse(line)!["done"]!));
    }

    [Fact]
    public async Task Verify_WhileAnotherRuns_IsRefused()
    {
        await using var held = await HoldAsync();
        using var line = new CommandLine { Wrote = held.Began };
        var running = line.RunAsync("verify", "--output", "json", "--server", _cache.Admin.Authority);
        await held.Begun;

        (await RunAsync("verify")).IsFailure("a verification is running already; one at a time is what the disk can bear");

        line.Interrupt();
        await running;
    }

    [Theory]
    [InlineData("text")]
    [InlineData("json")]
    public async Task Verify_Interrupted_SaysHowFarItCameAndCanBeRunAgain(string output)
    {
        await using var held = await HoldAsync();
        using var line = new CommandLine { Wrote = held.Began, IsTerminal = true };
        var running = line.RunAsync("verify", "--output", output, "--server", _cache.Admin.Authority);
        await held.Begun;

        line.Interrupt();
        var ran = await running;

        Assert.Equal(1, ran.Status);
        Assert.Matches(@"^entrepot: interrupted after [0-3] of 4 blobs; what was wrong up to there has been removed\n$", ran.Error);
        if (output == "json") await Schemas.CheckLinesAsync("verify", ran);
        else Assert.Matches(@"^(\r\e\[K\d.* %: .* of .* KiB, .*)+\r\e\[K$", ran.Out);
        await held.ReleaseAsync();
        await Appliance.UntilAsync(async () => (await RunAsync("verify")).Status == 0, () => "it still runs");
    }

    [Fact]
    public async Task Verify_ServerGoesAwayInTheMiddle_SaysSo()
    {
        await using var held = await HoldAsync();
        using var line = new CommandLine { Wrote = held.Began };
        var running = line.RunAsync("verify", "--output", "json", "--server", _cache.Admin.Authority);
        await held.Begun;

        var stopping = _cache.Host.DisposeAsync();
        var ran = await running;
        await held.ReleaseAsync();
        await stopping;

        ran.IsFailure(
            $"http://{_cache.Admin.Authority} went away in the middle of its answer; what is printed was done, the rest may not have been; see the server's log");
        await Schemas.CheckLinesAsync("verify", ran);
    }

    [Theory]
    [InlineData("text")]
    [InlineData("json")]
    public async Task Verify_ServerStopsInTheMiddle_IsToldInALastLine(string output)
    {
        await using (var endless = File.OpenWrite(_cache.Store.PathOf(_image.Layers[0].Digest))) endless.SetLength(1L << 40);   // takes no room, and minutes to hash
        var begun = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var line = new CommandLine { Wrote = _ => begun.TrySetResult(), IsTerminal = true };
        var running = line.RunAsync("verify", "--output", output, "--server", _cache.Admin.Authority);
        await begun.Task.WaitAsync(TimeSpan.FromSeconds(20));

        await _cache.StopAsync();
        var ran = await running;
        await _cache.StartAgainAsync();

        ran.IsFailure("the server is stopping; what is told was done, the rest was not: ask again when it is back");
        if (output == "json") await Schemas.CheckLinesAsync("verify", ran);
    }

    [Fact]
    public async Task Verify_ServerIsDraining_IsRefused()
    {
        var blob = _registry.Content.AddBlob(1_000_000, seed: 443);
        var gate = new Gate(500_000);
        _registry.On(Ask.Blob, Misbehave.Hold(gate));
        var running = _cache.GetBlobAsync(blob);
        await gate.ReachedAsync();
        var stopping = _cache.StopAsync();

        foreach (var arguments in (string[][])[["verify"], ["pin", "org/app:1"], ["refresh", "docker.io/*"]])
            (await RunAsync(arguments)).IsFailure("the server is stopping; what is told was done, the rest was not: ask again when it is back");
        (await RunAsync("list")).IsFine();

        gate.Open();
        (await running).Is(blob.Bytes);
        await stopping;
        await _cache.StartAgainAsync();
    }

    private Task<Ran> RunAsync(params string[] arguments) => CommandLine.RunAsync(_cache.Admin, arguments);

    private async Task<Held> HoldAsync()
    {
        var blob = _image.Layers[0];
        var path = _cache.Store.PathOf(blob.Digest);
        File.Delete(path);
        using var make = Process.Start("mkfifo", path);
        await make.WaitForExitAsync();
        Assert.Equal(0, make.ExitCode);
        return new Held(path, blob.Bytes);
    }

    /// <summary>A blob that is a pipe until it is released: who opens it waits.</summary>
    private sealed class Held(string path, byte[] bytes) : IAsyncDisposable
    {
        private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

        private readonly TaskCompletionSource _begun = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private bool _isReleased;

        /// <summary>Ends when something has been printed.</summary>
        public Task Begun => _begun.Task.WaitAsync(Patience);

        public void Began(string text) => _begun.TrySetResult();

        /// <summary>Puts the right bytes there, and lets who waits find out that it has opened something else.</summary>
        public async Task ReleaseAsync()
        {
            if (_isReleased) return;
            _isReleased = true;
            var aside = path + ".pipe";
            File.Move(path, aside);
            await File.WriteAllBytesAsync(path, bytes);
            await Task.Run(() => new FileStream(aside, FileMode.Open, FileAccess.Write, FileShare.ReadWrite).Dispose()).WaitAsync(Patience);
            File.Delete(aside);
        }

        public ValueTask DisposeAsync() => new(ReleaseAsync());
    }
}
