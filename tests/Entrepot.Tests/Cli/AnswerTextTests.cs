using Entrepot.Server.Admin;
using Entrepot.Server.Cli;

namespace Entrepot.Tests.Cli;

public sealed class AnswerTextTests
{
    private static readonly DateTimeOffset Now = new(2026, 1, 2, 3, 4, 5, TimeSpan.Zero);

    private static readonly StatusReport Quiet = new(
        "1.2.3", "ready", 273_600, ["http://0.0.0.0:5000"],
        new("/var/lib/entrepot", 4210, 0, 0, 25L << 30, 0, 0, 100L << 30, 80L << 30),
        new(0, new Dictionary<string, long>(), 0, 0),
        [new("docker.io", "up", ["https://registry-1.docker.io"], 100, 97, [new("anonymous", 100, 97, 21_600, null, null)]), new("ghcr.io", "offline", ["https://ghcr.io"], null, null, [])],
        new("waiting", 0, 0, Now, Now.AddDays(7)), [], []);

    [Fact]
    public void Of_QuietServer_SaysWhatThereIs() => Assert.Equal("""
        Entrepot 1.2.3, ready, up 3 d 4 h
          registry  http://0.0.0.0:5000
          storage   /var/lib/entrepot: 4,210 blobs, 25 GiB, 25 % of the quota of 100 GiB; 80 GiB free on the file system
          scrub     next 2026-01-09 03:04Z; the store was last looked through until 2026-01-02 03:04Z
          requests  none yet
          bytes     0 B sent, - of them from the store

        upstreams
          docker.io  up       97 of 100 requests left  https://registry-1.docker.io
          ghcr.io    offline  no rate limit told       https://ghcr.io

        """, StatusText.Of(Quiet));

    [Fact]
    public void Of_Problems_LeadsWithThem()
    {
        var text = StatusText.Of(Quiet with { State = "draining", Problems = ["docker.io is out of reach", "the store\nis faulty"] });

        Assert.StartsWith("2 problems:\n  docker.io is out of reach\n  the store is faulty\n\nEntrepot 1.2.3, draining, ", text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("running", 1, 4, "running, 25 % of 4 B")]
    [InlineData("off", 0, 0, "off")]
    [InlineData("waiting", 0, 0, "due")]
    public void Of_Scrub_TellsHowFarItIs(string state, long bytes, long all, string said) =>
        Assert.Contains($"  scrub     {said}\n", StatusText.Of(Quiet with { Scrub = new(state, bytes, all, null, null) }));

    [Fact]
    public void Of_BusyServer_TellsRatiosRoomAndFetches()
    {
        var text = StatusText.Of(Quiet with
        {
            Storage = Quiet.Storage with { Partials = 3, PartialBytes = 5 << 20, Reserved = 1 << 20, Pinned = 2 << 20 },
            Requests = new(1000, new Dictionary<string, long> { ["fetched"] = 45, ["hit"] = 912, ["joined"] = 43 }, 2000, 1500),
            Fetches =
            [
                new("docker.io/library/alpine@sha256:" + new string('a', 64), "running", 2048, 512, 3 << 20, 4, 1),
                new("ghcr.io/org/app@sha256:cd", "passing", null, 10 << 20, 0, 1, 12),
                new("ghcr.io/org/app@sha256:ef", "waiting", null, 0, 0, 0, 0),
            ],
            Upstreams =
            [
                new("a", "down", ["http://a"], null, 3, [new("u", null, 3, null, null, null)]),
                new("b", "up", ["http://b", "http://c"], 200, null, [new("u", 200, null, null, null, null)]),
                new("c", "up", ["http://d"], 200, 10, [new("u", 200, 10, null, null, null), new("v", null, null, null, null, 90)]),
            ],
        });

        Assert.Contains(": 4,210 blobs and parts of 3 more (5 MiB), 25 GiB, ", text);
        Assert.Contains("; 1 MiB reserved; 2 MiB pinned; 80 GiB free", text);
        Assert.Contains("  1,000, 91.2 % of them hits (hit 912, fetched 45, joined 43)\n", text);
        Assert.Contains("  1.9 KiB sent, 75 % of them from the store\n", text);
        Assert.Contains("  a  down  3 requests left                                      http://a\n  b  up    200 requests allowed                                 http://b, http://c\n  c  up    u 10 of 200 requests left, v limited for 1 min 30 s  http://d\n", text);
        Assert.EndsWith("""

            fetches: 2 running, 1 waiting for their turn (limits.fetches)
              docker.io/library/alpine@sha256:aaaaaaaaaaaa  25 %  512 B of 2 KiB  3 MiB/s  4 runs    1 follower
              ghcr.io/org/app@sha256:cd                                   10 MiB    0 B/s   1 run  12 followers  not kept
              ghcr.io/org/app@sha256:ef                                                                          waiting

            """, text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(20, 20, false)]
    [InlineData(1020, 20, true)]
    public void Of_ManyFetches_ShowsTheFirstAndCountsTheRest(int fetches, int shown, bool hasMore)
    {
        var text = StatusText.Of(Quiet with { Fetches = [.. Enumerable.Range(0, fetches).Select(i => new FetchStatus($"docker.io/a@sha256:{i:d4}", "running", 2, 1, 0, 1, 1))] });

        Assert.Equal(shown, text.Split('\n').Count(line => line.Contains("docker.io/a@", StringComparison.Ordinal)));
        Assert.Equal(hasMore, text.EndsWith("\n  and 1,000 more\n", StringComparison.Ordinal));
        Assert.Contains($"\nfetches: {(hasMore ? "1,020" : "20")} running\n  docker.io/a@sha256:0000 ", text);
    }

    [Fact]
    public void Text_Images_AreRowsWithStateAndAge()
    {
        var digest = "sha256:" + new string('a', 64);
        var list = new ImageList(
        [
            new("docker.io", "library/alpine", ["3.20", "latest"], digest, "m", 3_565_159, true, true, null, Now.AddHours(-2), [digest]),
            new("ghcr.io", "org/app", [], digest, "m", 100, false, false, "base", null, [digest]),
        ]);

        Assert.Equal("""
            REPOSITORY                TAGS         DIGEST                  SIZE  LAST PULL  STATE
            docker.io/library/alpine  3.20,latest  sha256:aaaaaaaaaaaa  3.4 MiB  2 h ago    complete, pinned
            ghcr.io/org/app           -            sha256:aaaaaaaaaaaa    100 B  -          incomplete, set base
            2 images

            """, ListCommand.Text(list, null, Now));
    }

    [Fact]
    public void Text_NoImages_SaysSo()
    {
        Assert.Equal("no images are cached\n", ListCommand.Text(new([]), null, Now));
        Assert.StartsWith("no cached image is alpine; ", ListCommand.Text(new([]), "alpine", Now), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("pinned", null, null, 2048L, null, "pinned    docker.io/library/a:1: 2 KiB")]
    [InlineData("unpinned", null, null, 0L, null, "unpinned  docker.io/library/a:1: 0 B not held by any pin now")]
    [InlineData("unpinned", null, null, null, null, "unpinned  docker.io/library/a:1")]
    [InlineData("removed", "sha256:1", null, 1024L, null, "removed   docker.io/library/a:1: 1 KiB freed")]
    [InlineData("unchanged", "sha256:1", null, null, null, "unchanged docker.io/library/a:1")]
    [InlineData("moved", "sha256:2", "sha256:1", null, null, "moved     docker.io/library/a:1: sha256:1 -> sha256:2")]
    [InlineData("moved", "sha256:2", null, null, null, "moved     docker.io/library/a:1: sha256:2")]
    [InlineData("gone", null, "sha256:1", null, null, "gone      docker.io/library/a:1")]
    [InlineData("failed", null, null, null, "the upstream\nis silent", "failed    docker.io/library/a:1: the upstream is silent")]
    public void Text_Outcome_IsOneLine(string outcome, string? digest, string? previous, long? bytes, string? error, string expected) =>
        Assert.Equal(expected, ImageCommands.Text(new("docker.io/library/a:1", outcome, digest, previous, bytes, error)));

    [Theory]
    [InlineData("failed", "sha256:1", true)]
    [InlineData("gone", null, true)]
    [InlineData("gone", "sha256:1", false)]
    [InlineData("moved", null, false)]
    [InlineData("unchanged", null, false)]
    [InlineData("removed", null, false)]
    public void IsFailure_Outcome_IsWhatWasNotDone(string outcome, string? previous, bool expected) =>
        Assert.Equal(expected, ImageCommands.IsFailure(new("docker.io/library/a:1", outcome, Previous: previous)));
}
