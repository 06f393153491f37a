using Entrepot.Server.Admin;
using Entrepot.Server.Cli;

namespace Entrepot.Tests.Cli;

public sealed class WarmDisplayTests : IDisposable
{
    private static readonly WarmEntry Fetched = new("docker.io/library/a:1", "fetched", "sha256:a", 3072, 4096, 2);
    private static readonly WarmEntry Failed = new("docker.io/library/b:1", "failed", null, 0, 0, 1, "MANIFEST_UNKNOWN:\nthere is none");

    private readonly Screen _screen = new();

    public void Dispose() => _screen.Dispose();

    [Fact]
    public async Task ShowAsync_NoTerminal_IsALineForEachImageAndOneEveryFewSeconds()
    {
        var display = new WarmDisplay(_screen.Around(isTerminal: false), isDryRun: false);
        for (var second = 1; second <= 6; second++)
        {
            _screen.Pass(1);
            await display.ShowAsync(new(0, 2, 1, second * 1024, 10_240, [new("docker.io/library/a:1", second * 1024, 10_240)], [], Done: false));
        }

        await display.ShowAsync(new(2, 2, 2, 7168, 10_240, [], [Fetched, Failed], Done: true));
        await display.EndAsync([Fetched, Failed]);

        Assert.Equal("""
            0 of 2 images: 5 KiB of 10 KiB, 1 KiB/s, 15 s left
            fetched   docker.io/library/a:1: 3 KiB
            failed    docker.io/library/b:1: MANIFEST_UNKNOWN: there is none
            2 images: 1 failed, 1 fetched; 3 KiB in 6 s, with 3 requests that a rate limit counts

            """, _screen.Text);
    }

    [Fact]
    public async Task ShowAsync_Terminal_HasALineForEachRunningImageAndWritesOverThem()
    {
        var display = new WarmDisplay(_screen.Around(isTerminal: true), isDryRun: false);
        _screen.Pass(1);

        await display.ShowAsync(new(0, 3, 1, 1024, 2048, [new("docker.io/library/a:1", 1024, 2048), new($"ghcr.io/{new string('x', 100)}:1", 0, 0)], [], Done: false));
        await display.ShowAsync(new(1, 3, 1, 1024, 2048, [], [Fetched], Done: false));

        Assert.Equal(
            $"  docker.io/library/a:1: 50 % of 2 KiB\n  …{new string('x', 65)}:1: looking\n0 of 3 images: 1 KiB of 2 KiB, 1 KiB/s, 5 s left"
            + "\e[2A\r\e[J" + "fetched   docker.io/library/a:1: 3 KiB\n" + "1 of 3 images: 1 KiB of 2 KiB, 1 KiB/s, 5 s left", _screen.Text);
        Assert.All(_screen.Text.Split('\n', '\e'), line => Assert.InRange(line.Length, 0, 79));
    }

    [Fact]
    public async Task EndAsync_DryRun_SaysWhatItWouldTake()
    {
        var display = new WarmDisplay(_screen.Around(isTerminal: false), isDryRun: true);
        var planned = Fetched with { Status = "planned" };

        await display.ShowAsync(new(1, 1, 1, 0, 0, [], [planned], Done: true));
        await display.EndAsync([planned]);

        Assert.Equal("""
            planned   docker.io/library/a:1: 3 KiB of 4 KiB, 2 requests
            1 image: 1 planned; 3 KiB would be fetched, with 2 requests that a rate limit counts; finding that out took as many

            """, _screen.Text);
    }
}
