using Entrepot.Pull;
using Entrepot.Server.Options;
using Entrepot.Upstream;

namespace Entrepot.Tests.Options;

public sealed class UpstreamListTests : IDisposable
{
    private readonly OptionsFixture _fixture = new();

    public void Dispose() => _fixture.Dispose();

    [Fact]
    public void Apply_AccountForDockerHub_KeepsItsAddressAndTheOtherRegistries()
    {
        var result = _fixture.Read("upstreams: [{ name: docker.io, username: me, passwordFile: /run/secrets/hub }]");

        Assert.Empty(result.Problems);
        Assert.Equal(EntrepotOptions.WellKnown.Select(known => known.Name), result.Options.Upstreams.Select(upstream => upstream.Name));
        var hub = result.Options.Upstreams[0];
        Assert.Equal([new Uri("https://registry-1.docker.io")], hub.Urls);
        Assert.Equal(("me", "/run/secrets/hub"), (hub.Username, hub.PasswordFile));
    }

    [Fact]
    public void Apply_NewName_IsAddedWithHttpsAndItsName()
    {
        var upstreams = _fixture.Read("upstreams: [{ name: 'Registry.example:5000' }]").Options.Upstreams;

        Assert.Equal(EntrepotOptions.WellKnown.Count + 1, upstreams.Count);
        Assert.Equal("registry.example:5000", upstreams[^1].Name);
        Assert.Equal([new Uri("https://registry.example:5000")], upstreams[^1].Urls);
    }

    [Fact]
    public void Apply_EveryOption_IsTaken()
    {
        var result = _fixture.Read("""
            upstreams:
              - name: a.example
                urls: ["http://127.0.0.1:1", "https://b.example"]
                hosts: [mirror.example, "mirror.example:5000"]
                dockerConfig: /root/.docker/config.json
                tokenRealms: [Login.example]
                tagTtl: unlimited
                tags: [{ match: "v*", tagTtl: 90s }, { match: latest, tagTtl: unlimited }]
                revalidateWait: 500ms
                staleIfError: 24h
                negativeTtl: 1m
                serveWhenDenied: true
                offline: true
                connections: 3
                connectTimeout: 100ms
                headerTimeout: 90s
                requestTimeout: 10m
                stallTimeout: 1s
                parallelRuns: 16
                fill: touched
                bandwidth: 1.5MB/s
            """);

        Assert.Empty(result.Problems);
        Assert.Equivalent(new UpstreamOptions
        {
            Name = "a.example",
            Urls = [new("http://127.0.0.1:1"), new("https://b.example")],
            Hosts = ["mirror.example", "mirror.example:5000"],
            DockerConfig = "/root/.docker/config.json",
            TokenRealms = ["login.example"],
            Freshness = new()
            {
                TagTtl = Timeout.InfiniteTimeSpan,
                Tags = [new("v*", TimeSpan.FromSeconds(90)), new("latest", Timeout.InfiniteTimeSpan)],
                RevalidateWait = TimeSpan.FromMilliseconds(500),
                StaleIfError = TimeSpan.FromHours(24),
                NegativeTtl = TimeSpan.FromMinutes(1),
                ServeWhenDenied = true,
                Offline = true,
            },
            Connections = 3,
            ConnectTimeout = TimeSpan.FromMilliseconds(100),
            HeaderTimeout = TimeSpan.FromSeconds(90),
            RequestTimeout = TimeSpan.FromMinutes(10),
            Fetching = new() { ParallelRuns = 16, Fill = FillMode.Touched, StallTimeout = TimeSpan.FromSeconds(1) },
            Bandwidth = 1_500_000,
        }, result.Options.Upstreams[^1], strict: true);
    }

    [Theory]
    [InlineData("1KB/s", 1000L)]
    [InlineData("200MB/s", 200_000_000L)]
    [InlineData("1TB/s", 1_000_000_000_000L)]
    [InlineData("unlimited", null)]
    public void Apply_Bandwidth_IsBytesASecondOrNone(string text, long? expected)
    {
        var result = _fixture.Read($"upstreams: [{{ name: a, bandwidth: {text} }}]");

        Assert.Empty(result.Problems);
        Assert.Equal(expected, result.Options.Upstreams[^1].Bandwidth);
    }

    [Fact]
    public void Apply_Accounts_AreInTheirOrder()
    {
        var result = _fixture.Read("upstreams: [{ name: a, rateLimitReserve: 5, accounts: [{ username: u, password: p }, { username: v, passwordFile: /f }] }]");

        Assert.Empty(result.Problems);
        Assert.Equal([new("u", "p", null), new UpstreamAccount("v", null, "/f")], result.Options.Upstreams[^1].Accounts);
        Assert.Equal(5, result.Options.Upstreams[^1].RateLimitReserve);
    }

    [Fact]
    public void Apply_NewUpstream_MayBeTheDefault() =>
        Assert.Empty(_fixture.Problems("defaultUpstream: a.example\nupstreams: [{ name: a.example }]"));

    [Theory]
    [InlineData("{ name: a, username: u }", "upstreams[0].username: needs password or passwordFile")]
    [InlineData("{ name: a, password: p }", "upstreams[0].password: needs a username")]
    [InlineData("{ name: a, passwordFile: /p }", "upstreams[0].passwordFile: needs a username")]
    [InlineData("{ name: a, username: u, password: p, passwordFile: /p }", "upstreams[0].passwordFile: cannot be together with password")]
    [InlineData("{ name: a, username: u, password: p, dockerConfig: /c }", "upstreams[0].dockerConfig: cannot be together with username")]
    [InlineData("{ name: a, accounts: [{ username: u }] }", "upstreams[0].accounts[0].username: needs password or passwordFile")]
    [InlineData("{ name: a, accounts: [{ password: p }] }", "upstreams[0].accounts[0].password: needs a username")]
    [InlineData("{ name: a, accounts: [{}] }", "upstreams[0].accounts[0].username: is missing")]
    [InlineData("{ name: a, accounts: [{ username: u, password: p, passwordFile: /p }] }", "upstreams[0].accounts[0].passwordFile: cannot be together")]
    [InlineData("{ name: a, accounts: [{ username: u, password: p }, { username: u, password: q }] }", "upstreams[0].accounts[1].username: 'u' is given twice")]
    [InlineData("{ name: a, username: u, password: p, accounts: [{ username: v, password: p }] }", "upstreams[0].accounts: cannot be together with username")]
    [InlineData("{ name: a, dockerConfig: /c, accounts: [{ username: v, password: p }] }", "upstreams[0].accounts: cannot be together with dockerConfig")]
    [InlineData("{ name: a, accounts: u }", "upstreams[0].accounts: is a single value where a list belongs")]
    [InlineData("{ name: a, accounts: [u] }", "upstreams[0].accounts[0]: is a single value where a group of options belongs")]
    [InlineData("{ name: a, rateLimitReserve: -1 }", "upstreams[0].rateLimitReserve: '-1' is not allowed; allowed: 0 to 1000000")]
    [InlineData("{ name: a, username: 'u:v', password: p }", "upstreams[0].username: 'u:v' is not allowed")]
    [InlineData("{ urls: ['https://a'] }", "upstreams[0].name: is missing")]
    [InlineData("{ name: 'a/b' }", "upstreams[0].name: 'a/b' is not allowed")]
    [InlineData("{ name: a, urls: [] }", "upstreams[0].urls: is an empty list")]
    [InlineData("{ name: a, urls: 'https://a' }", "upstreams[0].urls: is a single value where a list belongs")]
    [InlineData("{ name: a, urls: ['https://a/v2/'] }", "upstreams[0].urls[0]: 'https://a/v2/' is not allowed")]
    [InlineData("{ name: a, tagTtl: 87601h }", "upstreams[0].tagTtl: '87601h' is not allowed; allowed: 0s to 87600h, or unlimited")]
    [InlineData("{ name: a, revalidateWait: 601s }", "upstreams[0].revalidateWait: '601s' is not allowed; allowed: 0s to 10m, or unlimited")]
    [InlineData("{ name: a, staleIfError: -1s }", "upstreams[0].staleIfError: '-1s' is not allowed; allowed: 0s to 87600h, or unlimited")]
    [InlineData("{ name: a, negativeTtl: unlimited }", "upstreams[0].negativeTtl: 'unlimited' is not allowed; allowed: 0s to 1h")]
    [InlineData("{ name: a, serveWhenDenied: yes }", "upstreams[0].serveWhenDenied: 'yes' is not allowed; allowed: true or false")]
    [InlineData("{ name: a, offline: [] }", "upstreams[0].offline: is a list where a single value belongs")]
    [InlineData("{ name: a, tags: v* }", "upstreams[0].tags: is a single value where a list belongs")]
    [InlineData("{ name: a, tags: [v*] }", "upstreams[0].tags[0]: is a single value where a group of options belongs")]
    [InlineData("{ name: a, tags: [~] }", "upstreams[0].tags[0]: is empty")]
    [InlineData("{ name: a, tags: [{ tagTtl: 1m }] }", "upstreams[0].tags[0].match: is missing")]
    [InlineData("{ name: a, tags: [{ match: v* }] }", "upstreams[0].tags[0].tagTtl: is missing")]
    [InlineData("{ name: a, tags: [{ match: 'v[1]', tagTtl: 1m }] }", "upstreams[0].tags[0].match: 'v[1]' is not allowed")]
    [InlineData("{ name: a, tags: [{ match: v*, tagTtl: never }] }", "upstreams[0].tags[0].tagTtl: 'never' is not allowed")]
    [InlineData("{ name: a, tags: [{ match: v*, tagTtl: 1m, ttl: 1m }] }", "upstreams[0].tags[0].ttl: is unknown")]
    [InlineData("{ name: a, tags: [{ match: v*, tagTtl: 1m }, { match: v*, tagTtl: 2m }] }", "upstreams[0].tags[1].match: 'v*' is given twice")]
    [InlineData("{ name: a, connections: 1025 }", "upstreams[0].connections: '1025' is not allowed; allowed: 1 to 1024")]
    [InlineData("{ name: a, connectTimeout: 99ms }", "upstreams[0].connectTimeout: '99ms' is not allowed; allowed: 100ms to 10m")]
    [InlineData("{ name: a, headerTimeout: 601s }", "upstreams[0].headerTimeout: '601s' is not allowed; allowed: 100ms to 10m")]
    [InlineData("{ name: a, requestTimeout: unlimited }", "upstreams[0].requestTimeout: 'unlimited' is not allowed; allowed: 100ms to 10m")]
    [InlineData("{ name: a, stallTimeout: 999ms }", "upstreams[0].stallTimeout: '999ms' is not allowed; allowed: 1s to 10m")]
    [InlineData("{ name: a, parallelRuns: 17 }", "upstreams[0].parallelRuns: '17' is not allowed; allowed: 1 to 16")]
    [InlineData("{ name: a, fill: lazy }", "upstreams[0].fill: 'lazy' is not allowed; allowed: complete or touched")]
    [InlineData("{ name: a, bandwidth: 999B/s }", "upstreams[0].bandwidth: '999B/s' is not allowed; allowed: 1KB/s to 1TB/s, or unlimited")]
    [InlineData("{ name: a, bandwidth: 1001GB/s }", "upstreams[0].bandwidth: '1001GB/s' is not allowed; allowed: 1KB/s to 1TB/s, or unlimited")]
    [InlineData("{ name: a, bandwidth: 200MB }", "upstreams[0].bandwidth: '200MB' is not allowed; allowed: 1KB/s to 1TB/s, or unlimited")]
    [InlineData("{ name: a, tokenRealms: ['https://b'] }", "upstreams[0].tokenRealms[0]: 'https://b' is not allowed")]
    [InlineData("{ name: a }, { name: A }", "upstreams[1].name: 'a' is given twice")]
    [InlineData("{ name: a, hosts: [m] }, { name: b, hosts: [m] }", "upstreams[1].hosts: 'm' is given twice")]
    [InlineData("~", "upstreams[0]: is empty")]
    [InlineData("docker.io", "upstreams[0]: is a single value where a group of options belongs")]
    public void Apply_Mistake_IsRefusedOnce(string entries, string expected) =>
        Assert.StartsWith($"entrepot.yaml:1: {expected}", Assert.Single(_fixture.Problems($"upstreams: [{entries}]")), StringComparison.Ordinal);

    [Fact]
    public void Apply_TooManyTagRules_AreRefused()
    {
        var rules = string.Join(", ", Enumerable.Range(0, 101).Select(i => $"{{ match: v{i}, tagTtl: 1m }}"));

        Assert.StartsWith("entrepot.yaml:1: upstreams[0].tags: has 101 entries; allowed: a list of at most 100 entries",
            Assert.Single(_fixture.Problems($"upstreams: [{{ name: a, tags: [{rules}] }}]")), StringComparison.Ordinal);
    }

    [Fact]
    public void Apply_NotAList_IsRefused() =>
        Assert.StartsWith("entrepot.yaml:1: upstreams: is a group of options where a list belongs", Assert.Single(_fixture.Problems("upstreams: { name: a }")), StringComparison.Ordinal);

    [Fact]
    public void Apply_SecretInEveryWrongPlace_IsNeverShown()
    {
        var lines = _fixture.Problems("""
            upstreams:
              - name: a
                password: "hunter2\n"
              - name: b
                username: u
                password: [hunter2]
              - name: c
                passwrd: hunter2
              - name: d
                urls: ["https://u:hunter2@d.example"]
              - name: e
                username: u
                passwordFile: /p
                password: hunter2
              - name: "u:hunter2@f"
              - name: g
                accounts: [{ username: u, password: [hunter2] }, { password: hunter2 }]
            """, ("ENTREPOT_UPSTREAMS__1__PASSWORDS", "hunter2"));

        Assert.True(lines.Length >= 6);
        Assert.DoesNotContain("hunter2", string.Join('\n', lines));
    }
}
