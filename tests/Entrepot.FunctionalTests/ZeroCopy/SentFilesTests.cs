using System.Text;
using Entrepot.FunctionalTests.Kit;
using Entrepot.FunctionalTests.Registry;

namespace Entrepot.FunctionalTests.ZeroCopy;

public sealed class SentFilesTests : ZeroCopyTest
{
    [Fact]
    public async Task Get_StoredBlob_IsSentWithoutBeingTouched()
    {
        var before = (Counts.Sent, Counts.Copied);

        (await Cache.GetBlobAsync(Large)).Is(Large.Bytes);

        // Where the socket was full a little was copied; nothing else was.
        await Appliance.UntilAsync(() => Task.FromResult(Counts.Sent + Counts.Copied - before.Sent - before.Copied == LargeSize), () => $"{Counts.Sent} bytes were sent");
        Assert.InRange(Counts.Sent - before.Sent, LargeSize * 9L / 10, LargeSize);
    }

    [Fact]
    public async Task Get_FollowedFetch_IsSentFromThePartialFile()
    {
        var blob = Registry.Content.AddBlob(TestBlob.Random(6_000_000, seed: 602));
        var gate = new Gate(4_000_000);
        Registry.On(Ask.Blob, Misbehave.Hold(gate));
        // Its bytes are copied: what is sent of files from here on is the other one's alone.
        using var first = await RawClient.ConnectAsync(Cache.Url);
        await first.SendAsync("GET", PathOf(blob), ("Connection", "close"), version: "1.0");
        await gate.ReachedAsync();
        var begun = await first.ReadAsync(4_000_000);
        var before = Counts.Sent;

        // All that has arrived, at once, and nothing of what has not.
        using var second = await RawClient.ConnectAsync(Cache.Url);
        await second.SendAsync("GET", PathOf(blob));
        var part = await second.ReadAsync(3_900_000);
        await Appliance.UntilAsync(() => Task.FromResult(Counts.Sent - before >= 3_000_000), () => $"{Counts.Sent - before} bytes are sent from the file");   // counted a moment later
        Assert.InRange(Counts.Sent - before, 3_000_000, 4_000_000);
        await Appliance.UntilAsync(() => Task.FromResult(Calls.Corks.LastOrDefault() == false), () => "the system holds back the end of what has arrived");
        gate.Open();

        foreach (var (client, bytes) in ((RawClient, byte[])[])[(first, begun), (second, part)])
        {
            var (rest, clean) = await client.ReadRestAsync(already: bytes.Length);
            Assert.True(clean && blob.Bytes.AsSpan().SequenceEqual((byte[])[.. bytes, .. rest]));
        }

        await WorksAsync(second);
    }

    [Fact]
    public async Task Get_BlobOfManyRanges_IsCorkedUntilItsEnd()
    {
        Calls.Corks.Clear();
        using var client = await RawClient.ConnectAsync(Cache.Url);
        await client.SendAsync("GET", PathOf(Large));
        Assert.True((await client.ReadRestAsync()).Clean);
        await Appliance.UntilAsync(() => Task.FromResult(Calls.Corks.SequenceEqual([true, false])), () => string.Join(", ", Calls.Corks));

        await client.SendAsync("GET", PathOf(Other));
        Assert.True((await client.ReadRestAsync()).Clean);
        Assert.Equal([true, false], Calls.Corks);   // nothing comes behind its one range
    }

    [Fact]
    public async Task Get_HttpOneZero_IsCopied()
    {
        var before = (Counts.Sent, Counts.Copied);

        var answer = await LoadCount.ExchangeAsync(Cache.Url, $"GET {PathOf(Other)} HTTP/1.0\r\n\r\n");

        Assert.True(answer.AsSpan()[^Other.Size..].SequenceEqual(Other.Bytes));
        Assert.Equal(before, (Counts.Sent, Counts.Copied));
    }

    [Fact]
    public async Task Get_PipelinedRequestsOfEveryKind_AreAnsweredInTheirOrder()
    {
        var log = new StringBuilder();
        var expected = new List<byte[]>();
        foreach (var (method, header, body) in ((string, string, byte[])[])
        [
            ("GET", "X: 1", Other.Bytes), ("HEAD", "X: 2", []), ("GET", $"If-None-Match: \"{Other.Digest}\"", []),
            ("GET", "Range: bytes=100000-299999", Other.Bytes[100_000..300_000]), ("GET", "Range: bytes=5-9", Other.Bytes[5..10]),
            ("GET", "Range: bytes=9999999-", []), ("GET", "Connection: close", Other.Bytes),
        ])
        {
            log.Append($"{method} {PathOf(Other)} HTTP/1.1\r\nHost: {Cache.Url.Authority}\r\n{header}\r\n\r\n");
            expected.Add(body);
        }

        var answers = (await LoadCount.ExchangeAsync(Cache.Url, log.ToString())).AsMemory();

        var statuses = new List<string>();
        foreach (var body in expected)
        {
            var end = answers.Span.IndexOf("\r\n\r\n"u8) + 4;
            statuses.Add(Encoding.Latin1.GetString(answers.Span.Slice(9, 3)));
            var length = statuses[^1] == "416" ? answers.Span[end..].IndexOf("HTTP/1.1"u8) : body.Length;
            if (statuses[^1] != "416") Assert.True(answers.Span.Slice(end, length).SequenceEqual(body));
            answers = answers[(end + length)..];
        }

        Assert.Equal(["200", "200", "304", "206", "206", "416", "200"], statuses);
        Assert.Equal(0, answers.Length);   // and then the server closed
    }

    [Fact]
    public async Task Get_TenThousandRandomRanges_AreExactOnAllConnections()
    {
        await Task.WhenAll(Enumerable.Range(0, 8).Select(seed => Task.Run(() => ReadRangesAsync(seed, 1250))));

        Assert.True(Counts.Sent > 0);
    }

    [Theory]
    [InlineData("HEAD", "X", "1", 200)]
    [InlineData("GET", "If-None-Match", "*", 304)]
    [InlineData("GET", "Range", "bytes=99999999-", 416)]
    public async Task Get_AnswersWithoutItsBytes_LeaveEachConnectionOfUse(string method, string header, string value, int status)
    {
        using var client = await AskForLargeAsync();
        using var neighbour = await AskForLargeAsync();
        await EndAsync(client);

        var answer = await client.SendAsync(method, PathOf(Large), (header, value));

        Assert.Equal(status, answer.Status);
        if (status == 416) await client.ReadRestAsync();
        await WorksAsync(client);
        await EndAsync(neighbour);
        await WorksAsync(neighbour);
    }

    [Fact]
    public async Task Get_ConnectionClose_ClosesThatOneAlone()
    {
        using var client = await RawClient.ConnectAsync(Cache.Url);
        using var neighbour = await AskForLargeAsync();

        await client.SendAsync("GET", PathOf(Large), ("Connection", "close"));
        await EndAsync(client);
        await Assert.ThrowsAsync<EndOfStreamException>(() => client.ReadAsync(1));

        await EndAsync(neighbour);
        await WorksAsync(neighbour);
    }

    [Fact]
    public async Task Stop_InMidBlob_LetsAllOfThemEnd()
    {
        using var client = await AskForLargeAsync();
        using var neighbour = await AskForLargeAsync();

        var stopped = Cache.StopAsync();

        await EndAsync(client);
        await EndAsync(neighbour);
        await stopped;
    }

    // The body that AskForLargeAsync has left unread.
    private async Task EndAsync(RawClient client)
    {
        var (bytes, clean) = await client.ReadRestAsync();
        Assert.True(clean && Large.Bytes.AsSpan().SequenceEqual(bytes));
    }

    private async Task ReadRangesAsync(int seed, int times)
    {
        var random = new Random(seed);
        using var client = await RawClient.ConnectAsync(Cache.Url);
        for (var time = 0; time < times; time++)
        {
            var blob = random.Next(2) == 0 ? Large : Other;
            var from = random.Next(blob.Size);
            var most = Math.Min(blob.Size - from, random.Next(100) == 0 ? 3_000_000 : 150_000);
            var count = 1 + random.Next(most);
            await client.SendAsync("GET", PathOf(blob), ("Range", $"bytes={from}-{from + count - 1}"));
            var (bytes, clean) = await client.ReadRestAsync();
            Assert.True(clean && blob.Bytes.AsSpan(from, count).SequenceEqual(bytes), $"seed {seed}, request {time}: {from}+{count}");
        }
    }
}
