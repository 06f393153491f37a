using Entrepot.Server;
using Entrepot.Server.Cli;

namespace Entrepot.Tests.Cli;

public sealed class BannerTests
{
    private static readonly StoreUsage Store = new("/var/lib/entrepot", 1234, 5L << 30, 0, 0, 100L << 30, 200L << 30);

    [Fact]
    public void Text_EveryInterface_SaysWhatAPersonNeeds()
    {
        var text = Banner.Text("1.2.3", [new("http://0.0.0.0:5000")], new("http://127.0.0.1:5001"), Store, ["docker.io", "ghcr.io"]);

        Assert.Equal("""
            Entrepot 1.2.3, a pull-through cache for container registries
              registry   http://0.0.0.0:5000
              admin      http://127.0.0.1:5001
              storage    /var/lib/entrepot: 5 GiB in 1,234 blobs; quota 100 GiB; 200 GiB free on the file system
              upstreams  docker.io, ghcr.io
              daemon.json on this machine: { "registry-mirrors": ["http://127.0.0.1:5000"] }
              on other machines: http://<this machine>:5000

            """, text);
    }

    [Fact]
    public void Text_LoopbackOnly_DoesNotSendOtherMachinesThere()
    {
        var text = Banner.Text("1", [new("http://127.0.0.1:5000")], new("http://127.0.0.1:5001"), Store, []);

        Assert.DoesNotContain("other machines", text);
    }

    [Fact]
    public void Text_MetricsListener_IsOneLine()
    {
        var without = Banner.Text("1", [new("http://127.0.0.1:5000")], new("http://127.0.0.1:5001"), Store, []);
        var with = Banner.Text("1", [new("http://127.0.0.1:5000")], new("http://127.0.0.1:5001"), Store, [], new("http://0.0.0.0:5002"));

        Assert.Equal(["  metrics    http://0.0.0.0:5002"], with.Split('\n').Except(without.Split('\n')));
    }

    [Theory]
    [InlineData("http://127.0.0.1:5000", "http://0.0.0.0:5000")]
    [InlineData("http://127.0.0.1:80", "http://0.0.0.0:80")]
    [InlineData("http://127.0.0.1:41234", "http://[::]:41234")]
    [InlineData("http://127.0.0.1:5000", "http://127.0.0.1:5000")]
    [InlineData("http://[::1]:5000", "http://[::1]:5000")]
    [InlineData("http://10.0.0.5:5000", "http://10.0.0.5:5000")]
    [InlineData("http://127.0.0.1:6000", "http://10.0.0.5:5000", "http://127.0.0.1:6000")]
    public void Mirror_Listeners_IsTheAddressForThisMachine(string expected, params string[] listeners) =>
        Assert.Equal(expected, Banner.Mirror([.. listeners.Select(listener => new Uri(listener))]));

    [Theory]
    [InlineData(0, "0 B in 0 blobs; quota 1 KiB; 2 KiB free on the file system")]
    [InlineData(1, "0 B in 1 blob; quota 1 KiB; 2 KiB free on the file system")]
    public void Usage_Blobs_AreCountedInWords(int blobs, string expected) => Assert.Equal(expected, Banner.Usage(new("/", blobs, 0, 0, 0, 1024, 2048)));

    [Fact]
    public void Usage_PartsOfBlobs_AreTold() => Assert.Equal(
        "3 KiB in 1 blob and parts of 2 more (5 MiB); quota 1 KiB; 2 KiB free on the file system", Banner.Usage(new("/", 1, 3072, 2, 5 << 20, 1024, 2048)));
}
