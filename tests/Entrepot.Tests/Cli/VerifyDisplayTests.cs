using Entrepot.Server.Cli;

namespace Entrepot.Tests.Cli;

public sealed class VerifyDisplayTests : IDisposable
{
    private readonly Screen _screen = new();

    public void Dispose() => _screen.Dispose();

    [Fact]
    public async Task ShowAsync_NoTerminal_IsALineEveryFewSeconds()
    {
        var display = Display(isTerminal: false);
        for (var second = 1; second <= 11; second++)
        {
            _screen.Pass(1);
            await display.ShowAsync(new(second, 20, second * 1024, 20_480, 0, [], Done: false));
        }

        Assert.Equal("""
            25 %: 5 KiB of 20 KiB, 1 KiB/s, 15 s left
            50 %: 10 KiB of 20 KiB, 1 KiB/s, 10 s left

            """, _screen.Text);
    }

    [Fact]
    public async Task ShowAsync_Terminal_WritesOverOneLine()
    {
        var display = Display(isTerminal: true);

        await display.ShowAsync(new(0, 2, 0, 2048, 0, [], Done: false));
        _screen.Pass(1);
        await display.ShowAsync(new(1, 2, 1024, 2048, 0, [], Done: false));
        await display.ShowAsync(new(2, 2, 2048, 2048, 0, [], Done: true));

        Assert.Equal(
            "\r\e[K0 %: 0 B of 2 KiB, 0 B/s"
            + "\r\e[K50 %: 1 KiB of 2 KiB, 1 KiB/s, 1 s left"
            + "\r\e[K2 blobs, 2 KiB verified in 1 s: nothing is wrong\n", _screen.Text);
    }

    [Fact]
    public async Task ShowAsync_WrongBlobs_AreToldOnceAndCountedAtTheEnd()
    {
        var display = Display(isTerminal: false);

        await display.ShowAsync(new(1, 2, 1024, 2048, 0, ["sha256:a"], Done: false));
        await display.ShowAsync(new(2, 2, 2048, 2048, 0, ["sha256:a", "sha256:b"], Done: true));

        Assert.Equal("""
            wrong, and removed: sha256:a
            wrong, and removed: sha256:b
            2 blobs, 2 KiB verified in 0 s: 2 wrong, and removed

            """, _screen.Text);
    }

    [Theory]
    [InlineData("nothing that could be read is wrong; 1 blob could not be read: see the server's log", 1)]
    [InlineData("1 wrong, and removed; 2 blobs could not be read: see the server's log", 2, "sha256:a")]
    public async Task ShowAsync_UnreadableBlobs_AreNotTakenForRight(string expected, int unreadable, params string[] wrong)
    {
        await Display(isTerminal: false).ShowAsync(new(3, 3, 2048, 4096, unreadable, wrong, Done: true));

        Assert.EndsWith($"3 blobs, 2 KiB verified in 0 s: {expected}\n", _screen.Text, StringComparison.Ordinal);
    }

    private VerifyDisplay Display(bool isTerminal) => new(_screen.Around(isTerminal));
}
