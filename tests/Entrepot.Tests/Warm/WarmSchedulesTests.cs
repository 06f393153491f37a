using System.Text;
using Entrepot.Oci;
using Entrepot.Pull;
using Entrepot.Server.Admin;
using Entrepot.Server.Options;
using Entrepot.Tests.Kit;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace Entrepot.Tests.Warm;

public sealed class WarmSchedulesTests : IAsyncLifetime, IAsyncDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("entrepot-schedules-");
    private readonly FakeTimeProvider _clock = new();
    private readonly PullKit _kit = new();
    private readonly SemaphoreSlim _asked = new(0);
    private WarmSchedules _schedules = null!;
    private byte[] _manifest = [];

    private WarmSchedule Schedule => new(Path.Combine(_folder.FullName, "images.txt"), TimeSpan.FromHours(6), "", false);

    public Task InitializeAsync()
    {
        var layer = _kit.Upstream.Put("layer"u8.ToArray());
        _manifest = Encoding.UTF8.GetBytes($"{{\"layers\":[{{\"digest\":\"{layer}\",\"size\":5,\"mediaType\":\"application/vnd.oci.image.layer.v1.tar\"}}]}}");
        _kit.Upstream.HeadManifest = (reference, _) =>
        {
            if (reference is not { IsTag: true, Tag: "1" }) return ScriptedUpstream.Say<ManifestInfo>(RegistryError.ManifestUnknown);
            _asked.Release();
            return ScriptedUpstream.Say<ManifestInfo>(new ManifestInfo(Digest.Of(_manifest), MediaTypes.OciManifest, _manifest.Length));
        };
        _kit.Upstream.GetManifest = (_, _) => ScriptedUpstream.Say<ReceivedManifest>(new ReceivedManifest(_manifest, MediaTypes.OciManifest, null));
        var routes = new UpstreamRoutes([("docker.io", [])], "docker.io");
        _schedules = new WarmSchedules(_kit.Pulls.Warmup, () => routes, () => Task.FromResult(true), _clock, NullLogger.Instance);
        return Task.CompletedTask;
    }

    async Task IAsyncLifetime.DisposeAsync() => await DisposeAsync();

    public async ValueTask DisposeAsync()
    {
        await _schedules.DisposeAsync();
        await _kit.EndAsync();
        _asked.Dispose();
        _folder.Delete(recursive: true);
    }

    [Fact]
    public async Task Replace_ASchedule_IsDoneSoonAndThenAgainWithWhatTheFileSaysThen()
    {
        _schedules.Replace([Schedule]);
        await AdvanceUntilAsync(WarmSchedules.FirstAfter, () => _schedules.Problems.Count == 1);
        Assert.Contains("there is no such file", Assert.Single(_schedules.Problems), StringComparison.Ordinal);

        await File.WriteAllTextAsync(Schedule.From, "alpine:1");
        await AdvanceUntilAsync(Schedule.Every, () => _asked.CurrentCount > 0);
        await AdvanceUntilAsync(TimeSpan.Zero, () => _schedules.Problems.Count == 0 && _kit.Store.Contains(Digest.Of("layer"u8)));
    }

    [Fact]
    public async Task Replace_OtherSchedules_EndsThoseThatAreGone()
    {
        _schedules.Replace([Schedule]);
        await AdvanceUntilAsync(WarmSchedules.FirstAfter, () => _schedules.Problems.Count == 1);

        _schedules.Replace([]);
        await AdvanceUntilAsync(TimeSpan.Zero, () => _schedules.Problems.Count == 0);
    }

    // Timers are begun by tasks, so time passes until what it is to bring is there.
    private async Task AdvanceUntilAsync(TimeSpan time, Func<bool> condition)
    {
        for (var i = 0; i < 2000 && !condition(); i++)
        {
            if (i % 100 == 0) _clock.Advance(time);
            await Task.Delay(1);
        }

        Assert.True(condition());
    }
}
