using System.Text;
using Entrepot.Upstream;
using Microsoft.Extensions.Time.Testing;

namespace Entrepot.Tests.Upstream;

public sealed class CredentialSourceTests : IDisposable
{
    private readonly FakeTimeProvider _clock = new();
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("entrepot-");

    [Fact]
    public async Task GetAsync_NothingConfigured_IsNone()
    {
        var source = New(Options());

        Assert.True((await source.GetAsync(default)).Value!.IsNone);
    }

    [Fact]
    public async Task GetAsync_PasswordFile_IsReadAgainWhenItChanges()
    {
        var file = Write("password", "first\n");
        var source = New(Options() with { Username = "joe", PasswordFile = file });
        Assert.Equal(new Credentials("joe", "first", false), (await source.GetAsync(default)).Value);

        Write("password", "the second\n\n");

        Assert.Equal(new Credentials("joe", "the second\n", false), (await source.GetAsync(default)).Value);
    }

    [Fact]
    public async Task GetAsync_PasswordFileBehindLinks_IsReadAgainWhenTheyAreTurned()
    {
        string At(params string[] parts) => Path.Combine([_folder.FullName, .. parts]);
        _folder.CreateSubdirectory("old");
        _folder.CreateSubdirectory("new");
        Write("old/password", "first");
        Write("new/password", "later");
        File.SetLastWriteTimeUtc(At("new", "password"), DateTime.UnixEpoch);
        Directory.CreateSymbolicLink(At("data"), At("old"));
        File.CreateSymbolicLink(At("password"), At("data", "password"));
        var source = New(Options() with { Username = "joe", PasswordFile = At("password") });
        Assert.Equal("first", (await source.GetAsync(default)).Value?.Secret);

        Directory.Delete(At("data"));
        Directory.CreateSymbolicLink(At("data"), At("new"));

        Assert.Equal("later", (await source.GetAsync(default)).Value?.Secret);
    }

    [Fact]
    public async Task GetAsync_MissingFile_NamesItAndIsAskedAgain()
    {
        var file = Path.Combine(_folder.FullName, "later");
        var source = New(Options() with { Username = "joe", PasswordFile = file });
        var error = (await source.GetAsync(default)).Error;
        Assert.Equal(503, error?.Status);
        Assert.Contains(file, error?.Detail, StringComparison.Ordinal);

        Write("later", "here");

        Assert.Equal("here", (await source.GetAsync(default)).Value?.Secret);
    }

    [Fact]
    public async Task GetAsync_DockerConfig_IsReadAgainWhenItChanges()
    {
        var file = Write("config.json", Config("joe:first"));
        var source = New(Options() with { DockerConfig = file });
        Assert.Equal("first", (await source.GetAsync(default)).Value?.Secret);

        Write("config.json", Config("joe:the second"));

        Assert.Equal("the second", (await source.GetAsync(default)).Value?.Secret);

        static string Config(string account) =>
            "{\"auths\":{\"docker.io\":{\"auth\":\"" + Convert.ToBase64String(Encoding.UTF8.GetBytes(account)) + "\"}}}";
    }

    [Fact]
    public async Task GetAsync_BrokenDockerConfig_SaysWhichFile()
    {
        var file = Write("config.json", "not json");
        var source = New(Options() with { DockerConfig = file });

        var error = (await source.GetAsync(default)).Error;

        Assert.Equal(503, error?.Status);
        Assert.Contains($"docker.io: {file} is not JSON", error?.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task GetAsync_HelperWithAPathForAName_IsNotRun()
    {
        var file = Write("config.json", "{\"credsStore\":\"/../../evil\"}");
        var source = New(Options() with { DockerConfig = file });

        Assert.Contains("cannot be the name of a credential helper", (await source.GetAsync(default)).Error?.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task GetAsync_HelperThatDoesNotExist_IsNamed()
    {
        var file = Write("config.json", "{\"credsStore\":\"no-such-store\"}");
        var source = New(Options() with { DockerConfig = file });

        Assert.Contains("docker-credential-no-such-store cannot be run", (await source.GetAsync(default)).Error?.Detail, StringComparison.Ordinal);
    }

    public void Dispose() => _folder.Delete(recursive: true);

    private static UpstreamOptions Options() => new() { Name = "docker.io", Urls = [new Uri("https://registry-1.docker.io")] };

    private CredentialSource New(UpstreamOptions options) => new(options, _clock);

    private string Write(string name, string content)
    {
        var path = Path.Combine(_folder.FullName, name);
        File.WriteAllText(path, content);
        return path;
    }
}
