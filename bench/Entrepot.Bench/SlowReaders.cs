using System.Globalization;

namespace Entrepot.Bench;

/// <summary>Many clients that take one blob slowly, all at the same time, for so long; most leave before they have it.</summary>
internal static class SlowReaders
{
    private static readonly TimeSpan Turn = TimeSpan.FromMilliseconds(250);

    public static async Task RunAsync(Uri url, int clients, int bytesPerSecond, TimeSpan time)
    {
        var readers = await Task.WhenAll(Enumerable.Range(0, clients).Select(_ => BeginAsync(url)));
        using var timer = new PeriodicTimer(Turn);
        var portion = (int)(bytesPerSecond * Turn.TotalSeconds);
        var ended = 0;
        for (var passed = TimeSpan.Zero; passed < time; passed += Turn)
        {
            await timer.WaitForNextTickAsync();
            foreach (var reader in readers.Where(reader => reader.Rest > 0)) reader.Rest -= reader.Client.TakeWhatCame((int)Math.Min(portion, reader.Rest));
        }

        foreach (var reader in readers)
        {
            if (reader.Rest > 0 && reader.Client.HasEnded()) ended++;
            reader.Client.Dispose();
        }

        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"readers {clients} bytes {readers.Sum(reader => reader.Client.Bytes)} ended_early {ended}"));
        if (ended > 0) throw new IOException($"{ended} of {clients} slow readers were cut off");
    }

    private static async Task<Reader> BeginAsync(Uri url)
    {
        var client = await LoadClient.ConnectAsync(url);
        client.Forget();
        client.KeepLittle();
        return new Reader(client) { Rest = await client.BeginAsync("GET", url.PathAndQuery, default) };
    }

    private sealed class Reader(LoadClient client)
    {
        public LoadClient Client => client;

        /// <summary>Bytes that have not come yet.</summary>
        public long Rest { get; set; }
    }
}
