using System.Text;
using Entrepot.Oci;
using Entrepot.Pull;
using Entrepot.Tests.Kit;

namespace Entrepot.Tests.Pull;

public sealed class RecencyTests
{
    private readonly InstantClock _clock = new();
    private readonly MemoryBlobStore _store = new();
    private readonly Digest _layer;
    private readonly Digest _config;
    private readonly Digest _image;
    private readonly Digest _index;

    public RecencyTests()
    {
        _layer = _store.Put("layer"u8.ToArray());
        _config = _store.Put("{}"u8.ToArray());
        _image = Put($$"""{"schemaVersion":2,"mediaType":"{{MediaTypes.OciManifest}}","config":{{Point(_config)}},"layers":[{{Point(_layer)}}]}""");
        _index = Put($$"""{"schemaVersion":2,"mediaType":"{{MediaTypes.OciIndex}}","manifests":[{{Point(_image)}},{{Point(Digest.Of("absent"u8))}}]}""");
    }

    [Fact]
    public async Task Pulled_Index_TouchesItsImagesAndTheirLayers()
    {
        new Recency(_store, _clock, default).Pulled(_index);

        await UntilAsync(4);
        Assert.Equal(new HashSet<Digest> { _index, _image, _config, _layer }, [.. _store.Touched]);
    }

    [Fact]
    public async Task Pulled_AgainAtOnce_IsOneTouch_AndAnotherAfterTheInterval()
    {
        var recency = new Recency(_store, _clock, default);
        for (var i = 0; i < 100; i++) recency.Pulled(_image);
        await UntilAsync(3);
        await recency.EndedAsync();

        _clock.Now += RecentTouches.Interval;
        recency.Pulled(_image);

        await UntilAsync(6);
        Assert.Equal(2, _store.Touched.Count(digest => digest == _layer));
    }

    [Fact]
    public async Task Pulled_StoreIsSlow_DoesNotHoldTheRequestUp()
    {
        var look = new TaskCompletionSource();
        _store.Look = look.Task;

        new Recency(_store, _clock, default).Pulled(_image);

        Assert.DoesNotContain(_layer, _store.Touched);
        look.SetResult();
        await UntilAsync(3);
    }

    private static string Point(Digest digest) => $$"""{"mediaType":"{{MediaTypes.OciManifest}}","digest":"{{digest}}","size":2}""";

    private Digest Put(string json) => _store.Put(Encoding.UTF8.GetBytes(json));

    // The marking gives no signal: it is nobody's to wait for.
    private async Task UntilAsync(int touches)
    {
        var deadline = TimeProvider.System.GetUtcNow() + TimeSpan.FromSeconds(20);
        while (_store.Touched.Count < touches)
        {
            Assert.True(TimeProvider.System.GetUtcNow() < deadline, $"{_store.Touched.Count} touches");
            await Task.Yield();
        }
    }
}
