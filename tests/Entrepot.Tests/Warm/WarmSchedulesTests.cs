using System.Text;
using System.Threading.Channels;
using Entrepot.Oci;
using Entrepot.Pull;
using Entrepot.Server.Admin;
using Entrepot.Server.Options;
using Entrepot.Tests.Kit;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;

namespace Entrepot.Tests.Warm;

public sealed class WarmSchedulesTests : IAsyncLifetime, IAsyncDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("entrepot-schedules-");
    private readonly TimerClock _clock = new();
    private readonly PullKit _kit = new();
    private readonly Notes _log = new();
    private WarmSchedules _schedules = null!;
    private byte[] _manifest = [];

    private WarmSchedule Schedule => new(Path.Combine(_folder.FullName, "images.txt"), TimeSpan.FromHours(6), "", false);

    public Task InitializeAsync()
    {
        var layer = _kit.Upstream.Put("layer"u8.ToArray());
        _manifest = Encoding.UTF8.GetBytes($"{{\"layers\":[{{\"digest\":\"{layer}\",\"size\":5,\"mediaType\":\"application/vnd.oci.image.layer.v1.tar\"}}]}}");
        _kit.Upstream.HeadManifest = (reference, _) => reference is { IsTag: true, Tag: "1" }
            ? ScriptedUpstream.Say<ManifestInfo>(new ManifestInfo(Digest.Of(_manifest), MediaTypes.OciManifest, _manifest.Length))
            : ScriptedUpstream.Say<ManifestInfo>(RegistryError.ManifestUnknown);
        _kit.Upstream.GetManifest = (_, _) => ScriptedUpstream.Say<ReceivedManifest>(new ReceivedManifest(_manifest, MediaTypes.OciManifest, null));
        var routes = new UpstreamRoutes([("docker.io", [])], "docker.io");
        _schedules = new WarmSchedules(_kit.Pulls.Warmup, () => routes, () => Task.FromResult(true), _clock, _log);
        return Task.CompletedTask;
    }

    async Task IAsyncLifetime.DisposeAsync() => await DisposeAsync();

    public async ValueTask DisposeAsync()
    {
        await _schedules.DisposeAsync();
        await _kit.EndAsync();
        _folder.Delete(recursive: true);
    }

    [Fact]
    public async Task Replace_ASchedule_IsDoneSoonAndThenAgainWithWhatTheFileSaysThen()
    {
        _ = _schedules.Replace([Schedule]);
        await _clock.TimerBegunAsync();
        _clock.Advance(WarmSchedules.FirstAfter);
        Assert.Equal($"Warmed 0 images of {Schedule.From}: 0 fetched, 1 problems, 0 bytes", await _log.WarmedAsync());
        Assert.Contains("there is no such file", Assert.Single(_schedules.Problems), StringComparison.Ordinal);

        await File.WriteAllTextAsync(Schedule.From, "alpine:1");
        _clock.Advance(Schedule.Every);

        Assert.StartsWith($"Warmed 1 images of {Schedule.From}: 1 fetched, 0 problems, ", await _log.WarmedAsync(), StringComparison.Ordinal);
        Assert.Empty(_schedules.Problems);
        Assert.True(_kit.Store.Contains(Digest.Of("layer"u8)));
    }

    [Fact]
    public async Task Replace_OtherSchedules_EndsThoseThatAreGone()
    {
        _ = _schedules.Replace([Schedule]);
        await _clock.TimerBegunAsync();
        _clock.Advance(WarmSchedules.FirstAfter);
        await _log.WarmedAsync();
        Assert.Single(_schedules.Problems);

        await _schedules.Replace([]).Soon();

        Assert.Empty(_schedules.Problems);
        Assert.Equal(0, _clock.Timers);
    }

    /// <summary>A clock that tells when somebody waits for it.</summary>
    private sealed class TimerClock : FakeTimeProvider
    {
        private readonly Channel<bool> _begun = Channel.CreateUnbounded<bool>();
        private int _timers;

        /// <summary>Timers that have not ended.</summary>
        public int Timers => Volatile.Read(ref _timers);

        public Task<bool> TimerBegunAsync() => _begun.Reader.ReadAsync().Soon();

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            var timer = new Counted(this, base.CreateTimer(callback, state, dueTime, period));
            _begun.Writer.TryWrite(true);
            return timer;
        }

        private sealed class Counted : ITimer
        {
            private readonly TimerClock _clock;
            private readonly ITimer _timer;
            private int _isEnded;

            public Counted(TimerClock clock, ITimer timer)
            {
                (_clock, _timer) = (clock, timer);
                Interlocked.Increment(ref clock._timers);
            }

            public bool Change(TimeSpan dueTime, TimeSpan period) => _timer.Change(dueTime, period);

            public void Dispose()
            {
                if (Interlocked.Exchange(ref _isEnded, 1) == 0) Interlocked.Decrement(ref _clock._timers);
                _timer.Dispose();
            }

            public ValueTask DisposeAsync()
            {
                Dispose();
                return ValueTask.CompletedTask;
            }
        }
    }

    /// <summary>A log that tells when a schedule has been done.</summary>
    private sealed class Notes : ILogger
    {
        private const int Warmed = 411;
        private readonly Channel<string> _warmed = Channel.CreateUnbounded<string>();

        public Task<string> WarmedAsync() => _warmed.Reader.ReadAsync().Soon();

        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (eventId.Id == Warmed) _warmed.Writer.TryWrite(formatter(state, exception));
        }
    }
}
