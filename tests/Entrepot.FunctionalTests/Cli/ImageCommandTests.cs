using System.Text.Json.Nodes;
using Entrepot.FunctionalTests.Kit;
using Entrepot.FunctionalTests.Registry;
using Entrepot.Oci;

namespace Entrepot.FunctionalTests.Cli;

/// <summary><c>refresh</c>, <c>pin</c>, <c>unpin</c> and <c>remove</c> against a running server.</summary>
public sealed class ImageCommandTests : IAsyncLifetime
{
    private const string App = "docker.io/org/app:1";
    private const string Other = "docker.io/org/other:1";

    private readonly TestRegistry _registry = new();
    private Appliance _cache = null!;
    private TestImage _app = null!;
    private TestImage _other = null!;

    public async Task InitializeAsync()
    {
        _cache = await Appliance.StartAsync(_registry);
        _app = _registry.Content.AddImage("org/app", "1", TestBlob.Random(100_000, seed: 400));
        _other = _registry.Content.AddImage("org/other", "1", TestBlob.Random(100_000, seed: 401));
        await _cache.PullAsync(_app);
        await _cache.PullAsync(_other);
    }

    public async Task DisposeAsync()
    {
        await _cache.DisposeAsync();
        await _registry.DisposeAsync();
    }

    [Fact]
    public async Task Pin_Image_IsPinnedUntilUnpinned()
    {
        var pinned = (await RunAsync("pin", "org/app:1")).IsFine();
        Assert.StartsWith($"pinned    {App}: ", Assert.Single(pinned.Lines), StringComparison.Ordinal);
        Assert.True((bool)(await ImageAsync("org/app"))!["pinned"]!);
        Assert.False((bool)(await ImageAsync("org/other"))!["pinned"]!);

        var unpinned = (await RunAsync("unpin", App)).IsFine();
        Assert.StartsWith($"unpinned  {App}", Assert.Single(unpinned.Lines), StringComparison.Ordinal);
        Assert.False((bool)(await ImageAsync("org/app"))!["pinned"]!);
    }

    [Fact]
    public async Task Remove_Image_IsGoneAndTheOtherStays()
    {
        var ran = (await RunAsync("remove", App)).IsFine();

        Assert.Matches($@"^removed   {App}: \d.* freed$", Assert.Single(ran.Lines));
        Assert.Null(await ImageAsync("org/app"));
        Assert.NotNull(await ImageAsync("org/other"));
        Assert.False(_cache.Store.Has(_app.Layers[0].Digest));
        Assert.True(_cache.Store.Has(_other.Layers[0].Digest));
    }

    [Fact]
    public async Task Remove_PinnedImage_IsRefusedAndStays()
    {
        (await RunAsync("pin", App)).IsFine();

        var ran = await RunAsync("remove", App);

        Assert.Equal(1, ran.Status);
        Assert.Contains("pinned", ran.Error + ran.Out);
        Assert.NotNull(await ImageAsync("org/app"));
    }

    [Fact]
    public async Task Refresh_TagThatStands_IsUnchanged() =>
        Assert.Equal([$"unchanged {App}", $"unchanged {Other}"], (await RunAsync("refresh", "docker.io/org/*")).IsFine().Lines.Order());

    [Fact]
    public async Task Refresh_TagThatMoved_IsPulledAtOnce()
    {
        var moved = _registry.Content.AddImage("org/app", "1", TestBlob.Random(1000, seed: 402));

        var ran = (await RunAsync("refresh", App)).IsFine();

        Assert.Equal($"moved     {App}: {Short(_app.Manifest.Digest)} -> {Short(moved.Manifest.Digest)}", Assert.Single(ran.Lines));
        (await _cache.GetManifestAsync("1")).Is(moved.Manifest.Bytes);
    }

    [Fact]
    public async Task Refresh_TagThatIsGone_SaysSo()
    {
        _registry.Content.RemoveTag("org/app", "1");

        Assert.StartsWith($"gone      {App}", Assert.Single((await RunAsync("refresh", App)).IsFine().Lines), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("text")]
    [InlineData("json")]
    public async Task Refresh_UpstreamThatFails_IsAFailureOfThatImageOnly(string output)
    {
        _registry.On(request => request.IsManifest && request.Path.Contains("org/app", StringComparison.Ordinal), Misbehave.Status(403), TestRegistry.Always);

        var ran = await RunAsync("refresh", "docker.io/org/*", "--output", output);

        ran.IsFailure("1 of 2 images failed");
        if (output == "json") await Schemas.CheckLinesAsync("outcome", ran);
        Assert.Equal(2, ran.Lines.Length);
        Assert.Contains("failed", Assert.Single(ran.Lines, line => line.Contains(App, StringComparison.Ordinal)));
        Assert.Contains("unchanged", Assert.Single(ran.Lines, line => line.Contains(Other, StringComparison.Ordinal)));
    }

    [Theory]
    [InlineData("pinned", "pin")]
    [InlineData("unpinned", "pin", "unpin")]
    [InlineData("removed", "remove")]
    [InlineData("unchanged", "refresh")]
    public async Task RunAsync_Json_IsALineForEachImage(string outcome, params string[] commands)
    {
        foreach (var command in commands[..^1]) (await RunAsync(command, "docker.io/org/*")).IsFine();

        var ran = (await RunAsync(commands[^1], "docker.io/org/*", "--output", "json")).IsFine();

        await Schemas.CheckLinesAsync("outcome", ran);
        Assert.Equal(
            [(App, outcome), (Other, outcome)],
            ran.Lines.Select(line => JsonNode.Parse(line)!).Select(line => ((string)line["reference"]!, (string)line["outcome"]!)).Order());
    }

    [Fact]
    public async Task Refresh_JsonOfWhatChanged_IsWhatTheSchemaSays()
    {
        var moved = _registry.Content.AddImage("org/app", "1", TestBlob.Random(1000, seed: 404));
        _registry.Content.RemoveTag("org/other", "1");

        var ran = (await RunAsync("refresh", App, Other, "--output", "json")).IsFine();

        await Schemas.CheckLinesAsync("outcome", ran);
        var (first, second) = (JsonNode.Parse(ran.Lines[0])!, JsonNode.Parse(ran.Lines[1])!);
        Assert.Equal(
            ("moved", moved.Manifest.Digest.ToString(), _app.Manifest.Digest.ToString()),
            ((string?)first["outcome"], (string?)first["digest"], (string?)first["previous"]));
        Assert.Equal(("gone", _other.Manifest.Digest.ToString()), ((string?)second["outcome"], (string?)second["previous"]));
    }

    [Fact]
    public async Task Refresh_TagThatNeverWas_IsAFailure()
    {
        var ran = await RunAsync("refresh", "org/none:1");

        ran.IsFailure("1 of 1 image failed");
        Assert.StartsWith("gone      docker.io/org/none:1: ", Assert.Single(ran.Lines), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("pin")]
    [InlineData("unpin")]
    [InlineData("remove")]
    public async Task RunAsync_OneReferenceThatMatchesNothing_DoesTheOthers(string command)
    {
        if (command == "unpin") (await RunAsync("pin", Other)).IsFine();

        var ran = await RunAsync(command, "org/none:1", Other);

        Assert.Equal(1, ran.Status);
        Assert.Contains("docker.io/org/none:1", Assert.Single(ran.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries)), StringComparison.Ordinal);
        Assert.Contains(Other, Assert.Single(ran.Lines), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("refresh")]
    [InlineData("pin")]
    [InlineData("unpin")]
    [InlineData("remove")]
    public async Task RunAsync_BadReference_IsToldInOneLine(string command)
    {
        var ran = await RunAsync(command, "Org/App:1");

        Assert.Equal(1, ran.Status);
        Assert.Empty(ran.Out);
        Assert.Contains("'Org/App'", Assert.Single(ran.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries)), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("POST", "pins?ref=Org/App", 400)]
    [InlineData("POST", "pins", 400)]
    [InlineData("POST", "pins?ref=org/none", 404)]
    [InlineData("GET", "nothing", 404)]
    [InlineData("PUT", "images", 405)]
    public async Task Refusal_OfTheApi_IsWhatTheSchemaSays(string method, string path, int status)
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), new Uri(_cache.Admin, $"/api/v1/{path}"));
        using var response = await _cache.Client.SendAsync(request);

        Assert.Equal(status, (int)response.StatusCode);
        await Schemas.CheckAsync("error", await response.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task Pin_ImageThatIsNotComplete_SaysWhatToDo()
    {
        var image = _registry.Content.AddImage("org/half", "1", TestBlob.Random(1000, seed: 403));
        (await _cache.GetManifestAsync("1", "org/half")).Is(image.Manifest.Bytes);

        (await RunAsync("pin", "org/half:1")).IsFailure(
            "docker.io/org/half:1 is not completely cached: pull it through this cache first, with all its layers, then pin it");
        Assert.Contains(" incomplete\n", (await RunAsync("list", "org/half:1")).IsFine().Out);
    }

    [Fact]
    public async Task Pin_UnknownUpstream_NamesThoseThereAre()
    {
        var ran = await RunAsync("pin", "quay.io/org/app:1");

        ran.IsFailure("no upstream is called 'quay.io'; configured are: docker.io");
    }

    [Fact]
    public async Task Refresh_ServerGoesAwayInTheMiddle_SaysWhatWasDone()
    {
        var gate = new Gate();
        _registry.On(request => request.IsManifest && request.Path.Contains("org/other", StringComparison.Ordinal), Misbehave.HoldHeaders(gate));
        var first = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var line = new CommandLine { Wrote = _ => first.TrySetResult() };

        var running = line.RunAsync("refresh", "docker.io/org/*", "--server", _cache.Admin.Authority);
        await gate.ReachedAsync();
        await first.Task;
        await _cache.Host.DisposeAsync();
        var ran = await running;

        ran.IsFailure($"http://{_cache.Admin.Authority} went away in the middle of its answer; what is printed was done, the rest may not have been; see the server's log");
        Assert.Equal([$"unchanged {App}"], ran.Lines);
    }

    [Fact]
    public async Task Refresh_Interrupted_EndsWithAWord()
    {
        var gate = new Gate();
        _registry.On(request => request.IsManifest && request.Path.Contains("org/other", StringComparison.Ordinal), Misbehave.HoldHeaders(gate));
        var first = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var line = new CommandLine { Wrote = _ => first.TrySetResult() };

        var running = line.RunAsync("refresh", "docker.io/org/*", "--server", _cache.Admin.Authority);
        await gate.ReachedAsync();
        await first.Task;
        line.Interrupt();
        var ran = await running;

        ran.IsFailure("interrupted; what is printed was done, the rest may not have been");
        Assert.Equal([$"unchanged {App}"], ran.Lines);
        gate.Open();
    }

    private Task<Ran> RunAsync(params string[] arguments) => CommandLine.RunAsync(_cache.Admin, arguments);

    private async Task<JsonNode?> ImageAsync(string repository)
    {
        var list = JsonNode.Parse((await RunAsync("list", "--output", "json")).IsFine().Out)!;
        return list["images"]!.AsArray().SingleOrDefault(image => (string)image!["repository"]! == repository);
    }

    private static string Short(Digest digest) => digest.ToString()[..19];
}
