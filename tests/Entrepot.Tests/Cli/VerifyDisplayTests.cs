using Entrepot.Server.Cli;
using Microsoft.Extensions.Time.Testing;

namespace Entrepot.Tests.Cli;

public sealed class VerifyDisplayTests : IDisposable
{
    private readonly FakeTimeProvider _clock = new();
    private readonly StringWriter _out = new();

    public void Dispose() => _out.Dispose();

    [Fact]
    public async Task ShowAsync_NoTerminal_IsALineEveryFewSeconds()
    {
        var display = Display(isTerminal: false);
        for (var second = 1; second <= 11; second++)
        {
            _clock.Advance(TimeSpan.FromSeconds(1));
            await display.ShowAsync(new(second, 20, second * 1024, 20_480, [], Done: false));
        }

        Assert.Equal("""
            25 %: 5 KiB of 20 KiB, 1 KiB/s, 15 s left
            50 %: 10 KiB of 20 KiB, 1 KiB/s, 10 s left

            """, _out.ToString());
    }

    [Fact]
    public async Task ShowAsync_Terminal_WritesOverOneLine()
    {
        var display = Display(isTerminal: true);

        await display.ShowAsync(new(0, 2, 0, 2048, [], Done: false));
        _clock.Advance(TimeSpan.FromSeconds(1));
        await display.ShowAsync(new(1, 2, 1024, 2048, [], Done: false));
        await display.ShowAsync(new(2, 2, 2048, 2048, [], Done: true));

        Assert.Equal(
            "\r\e[K0 %: 0 B of 2 KiB, 0 B/s"
            + "\r\e[K50 %: 1 KiB of 2 KiB, 1 KiB/s, 1 s left"
            + "\r\e[K2 blobs, 2 KiB verified in 1 s: nothing is wrong\n", _out.ToString());
    }

    [Fact]
    public async Task ShowAsync_WrongBlobs_AreToldOnceAndCountedAtTheEnd()
    {
        var display = Display(isTerminal: false);

        await display.ShowAsync(new(1, 2, 1024, 2048, ["sha256:a"], Done: false));
        await display.ShowAsync(new(2, 2, 2048, 2048, ["sha256:a", "sha256:b"], Done: true));

        Assert.Equal("""
            wrong, and removed: sha256:a
            wrong, and removed: sha256:b
            2 blobs, 2 KiB verified in 0 s: 2 wrong, and removed

            """, _out.ToString());
    }

    private VerifyDisplay Display(bool isTerminal) => new(new Surroundings
    {
        Out = _out,
        Error = TextWriter.Null,
        Environment = new Dictionary<string, string>(),
        Stop = CancellationToken.None,
        IsTerminal = isTerminal,
        Clock = _clock,
    });
}
