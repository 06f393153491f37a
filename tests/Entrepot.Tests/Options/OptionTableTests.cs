using System.Text.Json;
using Entrepot.Server.Options;
using Entrepot.Upstream;

namespace Entrepot.Tests.Options;

public sealed class OptionTableTests
{
    [Fact]
    public void All_DefaultAsWritten_IsTheDefaultOfTheCode()
    {
        foreach (var spec in OptionTable.All.Where(spec => spec.Entry.Count == 0 && spec.Default != "none"))
            Assert.Equivalent(new EntrepotOptions(), Apply(spec, new EntrepotOptions()), strict: true);
    }

    [Fact]
    public void All_OptionsWithoutDefault_AreEmptyInTheCode()
    {
        Assert.Empty(new EntrepotOptions().Warm);
        Assert.Equal(["metrics", "warm"], OptionTable.All.Where(spec => spec.Default == "none").Select(spec => spec.Path));
        Assert.Null(new EntrepotOptions().Metrics);
    }

    [Fact]
    public void Upstream_DefaultAsWritten_IsTheDefaultOfTheCode()
    {
        var blank = new UpstreamOptions { Name = "a", Urls = [] };
        foreach (var spec in OptionTable.Upstream.Where(spec => spec.Default != "none" && spec.Path != "urls"))
            Assert.Equivalent(blank, Apply(spec, blank), strict: true);
    }

    [Fact]
    public void Upstream_OptionsWithoutDefault_AreEmptyInTheCode()
    {
        var blank = new UpstreamOptions { Name = "", Urls = [] };

        Assert.Equal(["name", "hosts", "username", "password", "passwordFile", "dockerConfig", "accounts", "tokenRealms", "tags"],
            OptionTable.Upstream.Where(spec => spec.Default == "none").Select(spec => spec.Path));
        Assert.Empty(blank.Hosts);
        Assert.Empty(blank.Accounts);
        Assert.Empty(blank.TokenRealms);
        Assert.Empty(blank.Freshness.Tags);
        Assert.Null(blank.Username ?? blank.Password ?? blank.PasswordFile ?? blank.DockerConfig);
    }

    [Fact]
    public void Reference_PageInTheRepository_IsWhatTheTableSays() =>
        Assert.True(OptionsReference.Markdown() == File.ReadAllText(Path.Combine(Repository(), "docs", "options.md")),
            "docs/options.md is out of date; run: dotnet run --project src/Entrepot.Server -- options > docs/options.md");

    [Fact]
    public void Example_OptionsFile_IsReadWithoutProblems()
    {
        var file = Path.Combine(Repository(), "deploy", "entrepot.yaml");

        var result = OptionsReader.Read(new OptionSources(file, new Dictionary<string, string>(), new Dictionary<string, IReadOnlyList<string>>()));

        Assert.Empty(result.Problems);
        Assert.Equivalent(new EntrepotOptions { StorageRoot = "/var/lib/entrepot" }, result.Options);
    }

    [Fact]
    public void Example_OptionsFileWithEverythingUncommented_HasOnlyKnownOptions()
    {
        var file = Path.Combine(Repository(), "deploy", "entrepot.yaml");
        var text = File.ReadAllText(file).Replace("# username:", "username:", StringComparison.Ordinal)
            .Replace("# passwordFile:", "passwordFile:", StringComparison.Ordinal)
            .Replace("  # - name", "  - name", StringComparison.Ordinal).Replace("  #   ", "    ", StringComparison.Ordinal);
        using var fixture = new OptionsFixture();

        var result = fixture.Read(text);

        Assert.Empty(result.Problems);
        Assert.Equal("someone", result.Options.Upstreams[0].Username);
        Assert.Equal(["latest", "*-rc?"], result.Options.Upstreams[^1].Freshness.Tags.Select(rule => rule.Match));
        Assert.Equal(("registry.example.com", Timeout.InfiniteTimeSpan), (result.Options.Upstreams[^1].Name, result.Options.Upstreams[^1].Freshness.TagTtl));
    }

    [Fact]
    public void Example_DaemonJson_PointsAtTheDefaultPort()
    {
        using var json = JsonDocument.Parse(File.ReadAllText(Path.Combine(Repository(), "daemon.json.example")));

        Assert.Equal("http://127.0.0.1:5000", Assert.Single(json.RootElement.GetProperty("registry-mirrors").EnumerateArray()).GetString());
    }

    private static T Apply<T>(OptionSpec<T> spec, T target)
    {
        var problems = new List<Problem>();
        RawNode node = spec.IsList ? EnvironmentReader.CommaSeparated("test", spec.Default) : new RawScalar("test", spec.Default);
        var applied = spec.Apply(spec, target, node, spec.Path, problems);
        Assert.Empty(problems);
        return applied;
    }

    private static string Repository()
    {
        var directory = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(directory!.FullName, "Cache.sln"))) directory = directory.Parent;
        return directory.FullName;
    }
}
