using System.Runtime.Versioning;
using Entrepot.Upstream;
using Microsoft.Extensions.Time.Testing;

namespace Entrepot.FunctionalTests.Upstream;

/// <summary>Runs real helpers: small shell scripts on the PATH of this process.</summary>
[SupportedOSPlatform("linux")]
public sealed class CredentialHelperTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("entrepot-");
    private readonly string? _path = Environment.GetEnvironmentVariable("PATH");

    public CredentialHelperTests() => Environment.SetEnvironmentVariable("PATH", $"{_folder.FullName}:{_path}");

    [Fact]
    public async Task GetAsync_HelperKnowsTheRegistry_IsItsAnswer()
    {
        Helper("read host; test \"$1 $host\" = \"get ghcr.io\" && echo '{\"ServerURL\":\"x\",\"Username\":\"joe\",\"Secret\":\"pw\"}'");

        Assert.Equal(new Credentials("joe", "pw", false), (await GetAsync()).Value);
    }

    [Fact]
    public async Task GetAsync_IdentityToken_IsRecognized()
    {
        Helper("echo '{\"Username\":\"<token>\",\"Secret\":\"refresh\"}'");

        Assert.Equal(new Credentials("", "refresh", true), (await GetAsync()).Value);
    }

    [Fact]
    public async Task GetAsync_HelperKnowsNothing_IsAnonymous()
    {
        Helper("echo 'credentials not found in native keychain'; exit 1");

        Assert.True((await GetAsync()).Value!.IsNone);
    }

    [Theory]
    [InlineData("echo secret; exit 3", "ended with status 3")]
    [InlineData("echo secret", "answered something else than credentials")]
    [InlineData("echo '{\"Username\":\"secret\"}'", "answered something else than credentials")]
    [InlineData("echo '[\"secret\"]'", "answered something else than credentials")]
    public async Task GetAsync_HelperFails_IsNamedWithoutItsOutput(string script, string what)
    {
        Helper(script);

        var error = (await GetAsync()).Error;

        Assert.Equal(503, error?.Status);
        Assert.Contains($"docker-credential-entrepot-test {what}", error?.Detail, StringComparison.Ordinal);
        Assert.DoesNotContain("secret", $"{error}", StringComparison.Ordinal);
    }

    [Fact]
    public async Task GetAsync_Twice_RunsTheHelperOnceUntilItsAnswerIsOld()
    {
        Helper($"echo x >> {_folder.FullName}/runs; echo '{{\"Username\":\"joe\",\"Secret\":\"pw\"}}'");
        var clock = new FakeTimeProvider();
        var source = new CredentialSource(Options(), clock);

        await source.GetAsync(default);
        await source.GetAsync(default);
        Assert.Single(await File.ReadAllLinesAsync($"{_folder.FullName}/runs"));
        clock.Advance(TimeSpan.FromMinutes(5));
        await source.GetAsync(default);

        Assert.Equal(2, (await File.ReadAllLinesAsync($"{_folder.FullName}/runs")).Length);
    }

    [Fact]
    public async Task GetAsync_HelperHangs_IsKilledAndNamed()
    {
        Helper($"echo $$ > {_folder.FullName}/pid.new; mv {_folder.FullName}/pid.new {_folder.FullName}/pid; exec sleep 1000");
        var clock = new FakeTimeProvider();
        var source = new CredentialSource(Options(), clock);

        var asking = source.GetAsync(default);
        var pid = $"{_folder.FullName}/pid";
        await UntilAsync(() => File.Exists(pid));
        clock.Advance(TimeSpan.FromSeconds(10));

        Assert.Contains("did not answer within 10 s", (await asking).Error?.Detail, StringComparison.Ordinal);
        var id = int.Parse(await File.ReadAllTextAsync(pid), System.Globalization.CultureInfo.InvariantCulture);
        await UntilAsync(() => !Directory.Exists($"/proc/{id}"));
    }

    public void Dispose()
    {
        Environment.SetEnvironmentVariable("PATH", _path);
        _folder.Delete(recursive: true);
    }

    // Another process gives no other sign of what it has done.
    private static async Task UntilAsync(Func<bool> isSo)
    {
        for (var tries = 0; !isSo(); tries++)
        {
            Assert.True(tries < 3000, "the helper did not do it within 30 s");
            await Task.Delay(TimeSpan.FromMilliseconds(10), TimeProvider.System);
        }
    }

    private async Task<Oci.Answer<Credentials>> GetAsync()
    {
        var source = new CredentialSource(Options(), TimeProvider.System);
        return await source.GetAsync(default);
    }

    private UpstreamOptions Options() =>
        new() { Name = "ghcr.io", Urls = [new Uri("https://ghcr.io")], DockerConfig = Path.Combine(_folder.FullName, "config.json") };

    private void Helper(string script)
    {
        File.WriteAllText(Path.Combine(_folder.FullName, "config.json"), "{\"credHelpers\":{\"ghcr.io\":\"entrepot-test\"}}");
        var program = Path.Combine(_folder.FullName, "docker-credential-entrepot-test");
        File.WriteAllText(program, "#!/bin/sh\n" + script + "\n");
        File.SetUnixFileMode(program, UnixFileMode.UserRead | UnixFileMode.UserExecute);
    }
}
