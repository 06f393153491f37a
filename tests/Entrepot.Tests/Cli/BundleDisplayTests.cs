using Entrepot.Server.Admin;
using Entrepot.Server.Cli;
using Entrepot.Server.Cli.Bundles;

namespace Entrepot.Tests.Cli;

public sealed class BundleDisplayTests : IDisposable
{
    private readonly Screen _screen = new();

    public void Dispose() => _screen.Dispose();

    [Fact]
    public void Import_NoTerminal_IsALineEveryFewSeconds()
    {
        var display = new ImportDisplay(_screen.Around(isTerminal: false), 20_480, isQuiet: false);
        for (var second = 1; second <= 11; second++)
        {
            _screen.Pass(1);
            display.Add(1024);
        }

        display.Clear();
        Assert.Equal("25 %: 5 KiB of 20 KiB, 1 KiB/s, 15 s left\n50 %: 10 KiB of 20 KiB, 1 KiB/s, 10 s left\n", _screen.Text);
    }

    [Fact]
    public void Import_Terminal_WritesOverOneLineAndTakesItAway()
    {
        var display = new ImportDisplay(_screen.Around(isTerminal: true), 2048, isQuiet: false);
        _screen.Pass(1);

        display.Add(1024);
        display.Add(1);      // not so soon again
        display.Clear();
        display.Clear();

        Assert.Equal("\r\e[K50 %: 1 KiB of 2 KiB, 1 KiB/s, 1 s left\r\e[K", _screen.Text);
    }

    [Fact]
    public async Task Export_NoTerminal_CountsTheRateWithoutWhatWasThere()
    {
        var display = new ExportDisplay(_screen.Around(isTerminal: false), isSilent: false);
        await display.SayAsync("begins");
        for (var second = 1; second <= 6; second++)
        {
            _screen.Pass(1);
            await display.ShowAsync(10_240, 10_240 + second * 1024, 20_480);
        }

        await display.EndAsync(new ExportReport("sha256:id", "/a/site.receipt.json", null, [new("/a/site.tar", 20_480, "sha256:f")], ["docker.io/library/a:1"], 3, 20_480, 0, 0), found: 0);
        Assert.Equal("""
            begins
            75 %: 15 KiB of 20 KiB, 1 KiB/s, 5 s left
            /a/site.tar  20 KiB  sha256:f
            /a/site.receipt.json
            1 image, 3 blobs, 20 KiB exported in 6 s

            """, _screen.Text);
    }

    [Fact]
    public async Task Export_Terminal_WritesOverOneLine()
    {
        var display = new ExportDisplay(_screen.Around(isTerminal: true), isSilent: false);
        _screen.Pass(1);

        await display.ShowAsync(0, 1024, 2048);
        await display.ShowAsync(0, 1025, 2048);
        await display.SayAsync("ends");

        Assert.Equal("\r\e[K50 %: 1 KiB of 2 KiB, 1 KiB/s, 1 s left\r\e[Kends\n", _screen.Text);
    }

    [Fact]
    public async Task Both_ForPrograms_SayNothing()
    {
        var (import, export) = (new ImportDisplay(_screen.Around(isTerminal: true), 2048, isQuiet: true), new ExportDisplay(_screen.Around(isTerminal: true), isSilent: true));
        _screen.Pass(10);

        import.Add(1024);
        import.Clear();
        await export.SayAsync("x");
        await export.ShowAsync(0, 1024, 2048);
        await export.ClearAsync();

        Assert.Empty(_screen.Text);
    }
}
