using System.Diagnostics;
using Entrepot.Oci;

namespace Entrepot.Tests.Architecture;

/// <remarks>
/// Code that has just been started is not compiled well yet and may box. So a call is repeated until it was seen to allocate no more than it should.
/// </remarks>
public sealed class AllocationTests
{
    private const string Digest = "sha256:9834876dcfb05cb167a5c24953eba58c4ac89b1adf57f28f2f9d09af107ee8f0";

    private static readonly UpstreamRoutes Routes = new([("docker.io", []), ("ghcr.io", ["mirror.example.com"])], "docker.io");

    [Theory]
    [InlineData("/v2/library/alpine/blobs/" + Digest, "", "library/alpine")]
    [InlineData("/v2/alpine/blobs/" + Digest, "", "library/alpine")]
    [InlineData("/v2/org/app/blobs/" + Digest, "?ns=ghcr.io", "org/app")]
    [InlineData("/v2/ghcr.io/org/app/manifests/" + Digest, "", "org/app")]
    [InlineData("/v2/ghcr.io/org/app/manifests/1.2.3", "", "org/app", "1.2.3")]
    [InlineData("/v2/", "")]
    public void Parse_TypicalTarget_AllocatesOnlyTheStringsThatOutliveIt(string path, string query, params string[] strings)
    {
        var expected = strings.Sum(text => BytesOf(() => new string(text.AsSpan())));

        Assert.Equal(expected, Least(expected, () => RequestTarget.Parse(path, query, "127.0.0.1:5000", Routes, out _)));
    }

    [Fact]
    public void Least_CallThatAllocatesMore_SaysHowMuch() =>
        Assert.True(Least(0, () => new byte[100], TimeSpan.FromMilliseconds(1)) > 100);

    private static long Least<T>(long expected, Func<T> call, TimeSpan? patience = null)
    {
        var began = Stopwatch.GetTimestamp();
        var least = long.MaxValue;
        while (least > expected && Stopwatch.GetElapsedTime(began) < (patience ?? TimeSpan.FromSeconds(10))) least = Math.Min(least, BytesOf(call));
        return least;
    }

    private static long BytesOf<T>(Func<T> call)
    {
        var before = GC.GetAllocatedBytesForCurrentThread();
        GC.KeepAlive(call());
        return GC.GetAllocatedBytesForCurrentThread() - before;
    }
}
