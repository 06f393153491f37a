using CsCheck;
using Entrepot.Server.Sources;

namespace Entrepot.Tests.Sources;

public sealed class ImageFileTests
{
    private const string Compose = """
        x-common: &common
          restart: always
          image: ${REGISTRY:-ghcr.io}/org/base:${TAG-1.0}
        services:
          web:
            image: "nginx:${NGINX:-1.27}"
            profiles: [front]
          merged:
            <<: *common
          both:
            <<: [*common, {image: never}]
            image: redis@sha256:aaaa
          built:
            build: .
          named:
            build: {context: .}
            image: org/named:$$1
            platform: linux/amd64
          child:
            extends: {service: web}
        """;

    private const string Kubernetes = """
        apiVersion: v1
        kind: ConfigMap
        metadata: {name: a, annotations: {image: "no:1"}}
        data:
          pod.yaml: |
            spec: {containers: [{image: "no:2"}]}
        ---
        ---
        # nothing
        ---
        {"apiVersion": "batch/v1", "kind": "CronJob", "spec": {"jobTemplate": {"spec": {"template": {"spec": {"containers": [{"name": "a", "image": "cron:1"}]}}}}}}
        ---
        apiVersion: v1
        kind: List
        items:
        - apiVersion: v1
          kind: Pod
          metadata: {name: p}
          spec:
            initContainers: [{name: i, image: "init:1"}]
            containers:
            - name: c
              image: 'main:1'
            ephemeralContainers:
            - {name: e, image: debug:1}
            volumes: [{name: v, image: {reference: "data:1"}}]
        - apiVersion: apps/v1
          kind: Deployment
          metadata: {annotations: {deprecated: x}}
          spec: {template: {metadata: {annotations: {image: "no:3"}}, spec: {containers: [{image: main:1}, {image: side:1}]}}}
        ---
        apiVersion: argoproj.io/v1alpha1
        kind: Rollout
        spec: {template: {spec: {containers: [{image: "rollout:1"}]}}}
        """;

    private const string Docker = """
        # syntax=docker/dockerfile:1
        ARG BASE="alpine"
        ARG VERSION='3.20'
        arg REF=$BASE:${VERSION}
        FROM --platform=$BUILDPLATFORM golang:1.24 AS Build
        RUN --mount=type=bind,from=tools:1,target=/t \
            # a comment
            --mount=type=cache,target=/c \

            make <<EOF
        FROM no:1
        COPY --from=no:2 a b
        EOF
        FROM ${REF} as base
        from scratch
        COPY --from=build /a /a
        COPY --from=0 /b /b
        COPY --chown=1:1 --from=busybox:1.36 \
          /c /c
        FROM base
        Copy <<-"end" /etc/x
        	FROM no:3
        	end
        ONBUILD COPY --from=later:1 / /
        FROM linux:1
        FROM --platform=linux/arm64 arm:1
        """;

    [Fact]
    public void List_WhateverItsLineEnds_IsReadWithItsPlatforms()
    {
        var found = Read("images.txt", "\uFEFF# all\r\nalpine:3.20 linux/amd64,linux/arm64  # two\r\n\r\n  ghcr.io/a/b@sha256:1#2\r\nredis linux/arm/v7, linux/386\r\nalpine:3.20 linux/amd64,linux/arm64");

        Assert.Equal(["alpine:3.20 linux/amd64+linux/arm64", "ghcr.io/a/b@sha256:1#2", "redis linux/arm/v7+linux/386"], Shown(found));
        Assert.Empty(found.Problems);
    }

    [Fact]
    public void List_WithSomethingElse_NamesTheLine()
    {
        var found = Read("images.txt", "a\nb what is this\nc");

        Assert.Equal(["a", "c"], Shown(found));
        Assert.StartsWith("images.txt:2: 'what' is not a platform", Assert.Single(found.Problems), StringComparison.Ordinal);
    }

    [Fact]
    public void Compose_WithEverythingThatItMayHave_NamesTheImagesOfItsServices()
    {
        var found = Read("compose.yaml", Compose, ("TAG", "2.0"), ("NGINX", ""));

        Assert.Equal(["nginx:1.27", "ghcr.io/org/base:2.0", "redis@sha256:aaaa", "org/named:$1 linux/amd64"], Shown(found));
        Assert.Empty(found.Problems);
    }

    [Theory]
    [InlineData("a:${X}", "the variable X is not set and has no default")]
    [InlineData("a:$X", "the variable X is not set and has no default")]
    [InlineData("a:${X:?say which}", "the variable X is not set: say which")]
    [InlineData("a:${X", "a '${' has no '}'")]
    [InlineData("a:${X/y/z}", "'${X/y/z}' is not understood")]
    [InlineData("${X:+y}", "is empty")]
    public void Compose_WithAnImageThatCannotBeResolved_NamesIt(string image, string why)
    {
        var found = Read("compose.yaml", $"services:\n  a:\n    image: {image}\n  b:\n    image: b:1");

        Assert.Equal(["b:1"], Shown(found));
        var problem = Assert.Single(found.Problems);
        Assert.StartsWith($"compose.yaml:3: the image '{image}'", problem, StringComparison.Ordinal);
        Assert.EndsWith(why, problem, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("${X-d}", null, "d")]
    [InlineData("${X-d}", "", "")]
    [InlineData("${X:-d}", "", "d")]
    [InlineData("${X:-d}", "x", "x")]
    [InlineData("${X+d}", null, "")]
    [InlineData("${X+d}", "", "d")]
    [InlineData("${X:+d}", "", "")]
    [InlineData("${X:+d}", "x", "d")]
    [InlineData("${X?e}", "x", "x")]
    [InlineData("${A:-${B:-${X:-d}}}", null, "d")]
    [InlineData("a$$b$", null, "a$b$")]
    [InlineData("$X-$X", "x", "x-x")]
    public void Fill_AnyForm_IsAsComposeHasIt(string text, string? value, string expected)
    {
        var variables = new Variables(name => name == "X" ? value : null, hasDollars: true);

        Assert.Null(variables.Fill(text, out var filled));
        Assert.Equal(expected, filled);
    }

    [Fact]
    public void Kubernetes_OfEveryKind_NamesTheImagesOfPods()
    {
        var found = Read("all.yaml", Kubernetes);

        Assert.Equal(["cron:1", "init:1", "main:1", "debug:1", "data:1", "side:1", "rollout:1"], Shown(found).Order(Comparer<string>.Create((a, b) => Order(a) - Order(b))));
        Assert.Equal(7, found.Images.Count);
        Assert.Empty(found.Problems);

        static int Order(string image) => Array.IndexOf(["cron:1", "init:1", "main:1", "debug:1", "data:1", "side:1", "rollout:1"], image);
    }

    [Fact]
    public void Kubernetes_BrokenInTheMiddle_GivesWhatCameBeforeAndNamesTheLine()
    {
        var found = Read("all.yaml", "apiVersion: v1\nkind: Pod\nspec: {containers: [{image: a:1}]}\n---\nkind: [\n---\n");

        Assert.Equal(["a:1"], Shown(found));
        Assert.StartsWith("all.yaml:", Assert.Single(found.Problems), StringComparison.Ordinal);
    }

    [Fact]
    public void Dockerfile_WithStagesAndHereDocuments_NamesOnlyImagesOfOthers()
    {
        var found = Read("Dockerfile", Docker);

        Assert.Equal(["golang:1.24", "tools:1", "alpine:3.20", "busybox:1.36", "later:1", "linux:1", "arm:1 linux/arm64"], Shown(found));
        Assert.Empty(found.Problems);
    }

    [Theory]
    [InlineData("ARG X\nFROM a:$X", "Dockerfile:2: the image 'a:$X' cannot be resolved: the variable X is not set and has no default")]
    [InlineData("FROM a:${TARGETARCH}", "Dockerfile:1: the image 'a:${TARGETARCH}' cannot be resolved: the variable TARGETARCH is not set and has no default")]
    [InlineData("FROM scratch\nCOPY --from=$X a b", "Dockerfile:2: the image '$X' cannot be resolved: variables are not filled in here")]
    [InlineData("FROM", "Dockerfile:1: FROM names no image")]
    public void Dockerfile_WithANameThatCannotBeResolved_NamesIt(string text, string problem)
    {
        var found = Read("Dockerfile", text);

        Assert.Empty(found.Images);
        Assert.Equal([problem], found.Problems);
    }

    [Fact]
    public void Dockerfile_WithAnotherEscape_ContinuesThere() =>
        Assert.Equal(["windows:1"], Shown(Read("x.Dockerfile", "# escape=`\r\nFROM `\r\n  windows:1\r\nRUN dir C:\\\r\nCOPY a b")));

    [Theory]
    [InlineData("Dockerfile.prod", "", ImageFileKind.Dockerfile)]
    [InlineData("a/Containerfile", "", ImageFileKind.Dockerfile)]
    [InlineData("docker-compose.override.yml", "", ImageFileKind.Compose)]
    [InlineData("images.txt", "kind: Pod", ImageFileKind.List)]
    [InlineData("x.yaml", "services: {a: {image: b}}", ImageFileKind.Compose)]
    [InlineData("x.yaml", "apiVersion: v1\nkind: Pod", ImageFileKind.Kubernetes)]
    [InlineData("x.json", "{\"kind\": \"List\", \"items\": []}", ImageFileKind.Kubernetes)]
    [InlineData("x.yaml", "a: [", ImageFileKind.Kubernetes)]
    [InlineData("-", "---\n# Source: a/templates/b.yaml\napiVersion: v1\nkind: Pod\nspec: {{ }}", ImageFileKind.Kubernetes)]
    [InlineData("-", "# c\n\nfrom alpine\nRUN a", ImageFileKind.Dockerfile)]
    [InlineData("-", "ARG A=1\nFROM a:$A", ImageFileKind.Dockerfile)]
    [InlineData("-", "alpine:3.20\nredis:7 linux/amd64", ImageFileKind.List)]
    [InlineData("-", "", ImageFileKind.List)]
    public void KindOf_AnyFile_IsAsItsNameOrContentSays(string name, string text, object kind) => Assert.Equal(kind, ImageFile.KindOf(name, text));

    [Fact]
    public void DotEnv_OfAnyForm_IsRead() => Assert.Equal(
        new Dictionary<string, string> { ["A"] = "1", ["B"] = "two words", ["C"] = "x#y", ["D"] = "" },
        DotEnv.Read("# c\nA=0\nA=1 # one\r\nexport B=\"two words\" # b\nC=x#y\nD=\n=no\nalso no", _ => null));

    [Theory]
    [InlineData("A=1\nX=${A}/$B", "1/2")]
    [InlineData("X=${B}\nB=not this", "2")]
    [InlineData("X=\"${B} b\" # c", "2 b")]
    [InlineData("X='${B}'", "${B}")]
    [InlineData("X=$$B${LATER}\nLATER=1", "$B")]
    [InlineData("X=${NONE:-d}${NONE}", "d")]
    [InlineData("X=0\nX=${B", null)]
    [InlineData("X=${NONE:?say it}", null)]
    public void DotEnv_ValueThatUsesVariables_IsFilledInAsComposeDoes(string text, string? value) =>
        Assert.Equal(value, DotEnv.Read(text, name => name == "B" ? "2" : null).GetValueOrDefault("X"));

    [Fact]
    public void Read_ManyVariablesInEachOther_EndsSoon()
    {
        string[] lines = [.. Enumerable.Range(1, 60).Select(i => $"A{i}=$A{i - 1}$A{i - 1}")];

        Assert.True(DotEnv.Read(string.Join('\n', ["A0=xy", .. lines]), _ => null).Values.Sum(value => value.Length) < 8 << 20);
        var problem = Assert.Single(Read("Dockerfile", $"ARG A0=xy\n{string.Concat(lines.Select(line => $"ARG {line}\n"))}FROM $A60").Problems);
        Assert.StartsWith("Dockerfile:62: the image '$A60' cannot be resolved: ", problem, StringComparison.Ordinal);
    }

    [Fact]
    public void Read_AnyText_EndsWithImagesOrNamedProblems()
    {
        string[] pieces =
        [
            "FROM ", "ARG ", "COPY --from=", "RUN <<EOF", "\\\n", "\n", " ", "services:\n", "include: ", "extends: ", "file: ", "image: ", "apiVersion: v1\n", "kind: Pod\n", "---\n", "- ", "{", "}", "[", "]", "&a ", "*a", "<<: ",
            "containers:", "${", "}", "$", ":-", "\"", "'", "#", "\t", "a:1", "\0", "\uFEFF", "|\n", "? ", ": ", "!t ", "%YAML 1.1\n",
        ];
        string[] names = ["Dockerfile", "compose.yaml", "x.yaml", "x.txt", "-"];
        Gen.Select(Gen.Int[0, pieces.Length - 1].Array[0, 40], Gen.Int[0, names.Length - 1]).Sample((parts, which) =>
        {
            var (text, name) = (string.Concat(parts.Select(part => pieces[part])), names[which]);
            var found = ImageFile.Read(name, text, null, _ => null, NoFile);
            Assert.All(found.Images, image => Assert.NotEqual("", image.Reference));
            Assert.All(found.Problems, problem => Assert.StartsWith(name, problem, StringComparison.Ordinal));
        });
    }

    [Fact]
    public void Read_AnyTextOfAnyKind_EndsWithImagesOrNamedProblems() =>
        Gen.Select(Gen.String, Gen.Int[0, 3]).Sample((text, kind) => Assert.NotNull(ImageFile.Read("x", text, (ImageFileKind)kind, _ => null, NoFile)));

    [Fact]
    public void Read_ManyAliasesInEachOther_EndsSoon()
    {
        var text = "a0: &a0 [x, y]\n" + string.Concat(Enumerable.Range(1, 60).Select(i => $"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n")) + "kind: Pod\napiVersion: v1\n";

        Assert.Empty(Read("bomb.yaml", text).Images);
    }

    private static string? NoFile(string path, out string problem)
    {
        problem = "there is no such file";
        return null;
    }

    private static FoundImages Read(string name, string text, params (string Name, string Value)[] variables) =>
        ImageFile.Read(name, text, null, variable => Array.Find(variables, one => one.Name == variable).Value, NoFile);

    private static IEnumerable<string> Shown(FoundImages found) =>
        found.Images.Select(image => image.Platforms.Count == 0 ? image.Reference : $"{image.Reference} {string.Join('+', image.Platforms)}");
}
