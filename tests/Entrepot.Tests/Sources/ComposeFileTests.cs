using Entrepot.Server.Sources;

namespace Entrepot.Tests.Sources;

public sealed class ComposeFileTests
{
    private readonly Dictionary<string, string> _files = new(StringComparer.Ordinal);

    [Fact]
    public void Extends_AServiceOfAnotherFile_HasItsImage()
    {
        _files["/site/common/base.yaml"] = "services:\n  web: {extends: {file: ../more/root.yaml, service: root}, platform: linux/arm64}\n  beside: {image: 'never:1'}";
        _files["/site/more/root.yaml"] = "services: {root: {extends: inner}, inner: {image: 'org/root:${TAG:-7}', platform: linux/386}, amd: {extends: inner, image: 'amd:1'}}";

        var found = Read("services: {a: {extends: {file: '${DIR:-common}/base.yaml', service: web}}, own: {extends: {file: none.yaml, service: x}, image: 'own:1'}, amd: {extends: {file: more/root.yaml, service: amd}}}");

        Assert.Equal(["org/root:7 linux/arm64", "own:1", "amd:1 linux/386"], Shown(found));
        Assert.Empty(found.Problems);
    }

    [Theory]
    [InlineData("{file: none.yaml, service: web}", "/site/compose.yaml:1: the file '/site/none.yaml' cannot be read: there is no such file")]
    [InlineData("{file: other.yaml, service: web}", "/site/compose.yaml:1: a service extends 'web', which /site/other.yaml does not have")]
    [InlineData("{file: '$X', service: web}", "/site/compose.yaml:1: the file '$X' cannot be resolved: the variable X is not set and has no default")]
    [InlineData("{file: \"a\\0\", service: web}", "/site/compose.yaml:1: the file 'a?' cannot be resolved: it is no path")]
    [InlineData("web", "/site/compose.yaml:1: a service extends 'web', which /site/compose.yaml does not have")]
    [InlineData("{file: broken.yaml, service: b}", "/site/broken.yaml:2: the image '$X' cannot be resolved: the variable X is not set and has no default")]
    public void Extends_WhatIsNotThere_IsNamed(string extends, string problem)
    {
        _files["/site/other.yaml"] = "services: {a: {image: 'a:1'}}";
        _files["/site/broken.yaml"] = "services:\n  b: {image: $X}";

        var found = Read($"services: {{a: {{extends: {extends}}}, b: {{image: 'b:1'}}}}");

        Assert.Equal(["b:1"], Shown(found));
        Assert.Equal([problem], found.Problems);
    }

    [Fact]
    public void Include_OtherFiles_GivesTheirImagesOnce()
    {
        _files["/site/a.yaml"] = "include: [compose.yaml, sub/b.yaml]\nservices: {a: {image: 'a:1'}}";
        _files["/site/sub/b.yaml"] = "include: [{path: [c.yaml, d.yaml], env_file: x}]\nservices: {b: {image: 'b:1'}}";
        _files["/site/sub/x"] = "";
        _files["/site/sub/c.yaml"] = "services: {c: {image: 'c:1'}}";
        _files["/site/sub/d.yaml"] = "services: {c: {build: .}}";

        var found = Read("include: [a.yaml, {path: sub/b.yaml}, gone.yaml, {path: '${NONE-}'}]\nservices: {own: {image: 'own:1'}}");

        Assert.Equal(["own:1", "a:1", "b:1", "c:1"], Shown(found));
        Assert.Equal(
            ["/site/compose.yaml:1: the file '/site/gone.yaml' cannot be read: there is no such file", "/site/compose.yaml:1: the file '${NONE-}' cannot be resolved: it is no path"], found.Problems);
    }

    [Theory]
    [InlineData("sub/b.yaml", "b:beside c:1")]
    [InlineData("{path: sub/b.yaml, project_directory: .}", "b:project c:1")]
    [InlineData("{path: sub/b.yaml, env_file: [values, more]}", "b:more c:values")]
    [InlineData("{path: [sub/b.yaml], env_file: '$OWN'}", "b:values c:values")]
    [InlineData("{path: sub/b.yaml, env_file: none}", "b:0 c:1", "/site/compose.yaml:1: the file '/site/none' cannot be read: there is no such file")]
    public void Include_VariablesOfItsOwn_AreThoseThatTheProjectDoesNotSet(string include, string images, params string[] problems)
    {
        _files["/site/sub/b.yaml"] = "services: {b: {image: 'b:${B-0}'}, c: {image: 'c:${C-1}'}, own: {image: '${OWN}'}}";
        _files["/site/sub/.env"] = "B=beside\nOWN=other";
        _files["/site/.env"] = "B=project";
        _files["/site/values"] = "B=values\nC=values";
        _files["/site/more"] = "B=more";

        var found = ImageFile.Read("/site/compose.yaml", $"include: [{include}]\nservices: {{after: {{image: 'after:${{B-0}}'}}}}", null, name => name == "OWN" ? "values" : null, Open);

        Assert.Equal(["after:0", .. images.Split(' '), "values"], Shown(found));
        Assert.Equal(problems, found.Problems);
    }

    [Fact]
    public void Include_VariablesOfItsOwnThatUseOthers_AreFilledIn()
    {
        _files["/site/sub/b.yaml"] = "services: {b: {image: '${IMG}:1'}, c: {image: '${OTHER}:1'}}";
        _files["/site/values"] = "REG=reg.test\nOWN=not this";
        _files["/site/more"] = "IMG=${REG}/app\nOTHER=\"$OWN/${NAME:-other}\"";

        var found = ImageFile.Read(
            "/site/compose.yaml", "include: [{path: sub/b.yaml, env_file: [values, more]}]", null, name => name == "OWN" ? "own.test" : null, Open);

        Assert.Equal(["reg.test/app:1", "own.test/other:1"], Shown(found));
        Assert.Empty(found.Problems);
    }

    [Fact]
    public void Files_ThatLeadToEachOther_EndSoon()
    {
        _files["/site/x.yaml"] = "services: {x: {extends: {file: compose.yaml, service: x}}}";

        const string Other = "services: {x: {extends: {file: x.yaml, service: x}}}";
        _files["/site/compose.yaml"] = Other;

        Assert.Empty(Read(Other).Images);
        Assert.Contains("more than 100 files", Assert.Single(ImageFile.Read("/0", "include: [/0x]", ImageFileKind.Compose, _ => null, Longer).Problems), StringComparison.Ordinal);

        static string? Longer(string path, out string problem)
        {
            problem = "";
            return $"include: ['{path}x']";
        }
    }

    private FoundImages Read(string text) => ImageFile.Read("/site/compose.yaml", text, null, _ => null, Open);

    private string? Open(string path, out string problem)
    {
        problem = "there is no such file";
        return _files.GetValueOrDefault(path);
    }

    private static IEnumerable<string> Shown(FoundImages found) => found.Images.Select(image => string.Join(' ', [image.Reference, .. image.Platforms]));
}
