using System.Diagnostics;

namespace Entrepot.ClientTests.Kit;

/// <summary>Waiting for what another process does and gives no signal of.</summary>
internal static class Eventually
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);
    private static readonly TimeSpan PollEvery = TimeSpan.FromMilliseconds(10);

    /// <summary>Asks again and again until the answer is yes.</summary>
    /// <param name="condition">The question.</param>
    /// <param name="patience">How long; 20 seconds by default.</param>
    /// <exception cref="TimeoutException">It was not in that time.</exception>
    public static async Task TrueAsync(Func<Task<bool>> condition, TimeSpan? patience = null)
    {
        var began = Stopwatch.StartNew();
        using var timer = new PeriodicTimer(PollEvery);
        while (!await condition())
        {
            if (began.Elapsed > (patience ?? Patience)) throw new TimeoutException("the condition did not come true");
            await timer.WaitForNextTickAsync();
        }
    }
}
