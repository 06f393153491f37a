using System.Text;
using System.Text.Json;
using Entrepot.Bundles;
using Entrepot.Oci;

namespace Entrepot.Tests.Bundles;

public sealed class BundleContentsTests
{
    [Fact]
    public void Read_WhatWasWritten_IsTheSame()
    {
        var part = SampleBundle.Contents() with { Part = new BundlePart(2, 3) };

        Assert.Equal(part.ToJson(), Read(part.ToJson())!.ToJson());
        Assert.Equal(new BundlePart(2, 3), Read(part.ToJson())!.Part);
    }

    [Fact]
    public void ToJson_SaysWhatTheFormatSays()
    {
        var contents = new BundleContents([SampleBundle.Image("docker.io/library/alpine:3.20", "a", "linux/amd64")], [SampleBundle.Blob("a", 500)], [], []);

        Assert.Equal(
            $$"""
            {"version":1,"images":[{"reference":"docker.io/library/alpine:3.20","digest":"{{SampleBundle.Name("a")}}","mediaType":"application/vnd.oci.image.index.v1+json","size":500,"platforms":["linux/amd64"]}],"blobs":[{"digest":"{{SampleBundle.Name("a")}}","size":500}],"base":[],"since":[]}

            """,
            Encoding.UTF8.GetString(contents.ToJson()));
    }

    [Fact]
    public void Id_OfAllParts_IsThatOfTheWhole()
    {
        var whole = SampleBundle.Contents();

        Assert.Equal(Digest.Of(whole.ToJson()), whole.Id());
        Assert.Equal(whole.Id(), (whole with { Part = new BundlePart(2, 2) }).Id());
        Assert.NotEqual(whole.Id(), (whole with { Since = [] }).Id());
    }

    [Fact]
    public void ToIndex_Images_AreNamedInFull()
    {
        using var index = JsonDocument.Parse(SampleBundle.Contents().ToIndex());
        var manifests = index.RootElement.GetProperty("manifests").EnumerateArray().ToList();

        Assert.Equal(
            ["docker.io/library/alpine:3.20", "ghcr.io/org/app:1"],
            manifests.Select(one => one.GetProperty("annotations").GetProperty("org.opencontainers.image.ref.name").GetString()));
        Assert.Equal(SampleBundle.Name("alpine").ToString(), manifests[0].GetProperty("digest").GetString());
        Assert.Equal(500, manifests[0].GetProperty("size").GetInt64());
    }

    [Fact]
    public void ArtifactType_OfWhatIsNoImage_StandsInBothLists()
    {
        var image = SampleBundle.Image("docker.io/library/alpine:3.20", "a") with { ArtifactType = "application/spdx+json" };
        var contents = new BundleContents([image], [SampleBundle.Blob("a", 500)], [], []);

        Assert.Equal("application/spdx+json", Assert.Single(Read(contents.ToJson())!.Images).ArtifactType);
        using var index = JsonDocument.Parse(contents.ToIndex());
        Assert.Equal("application/spdx+json", index.RootElement.GetProperty("manifests")[0].GetProperty("artifactType").GetString());
        Assert.Null(BundleContents.Read((contents with { Images = [image with { ArtifactType = "" }] }).ToJson(), out var problems));
        Assert.Equal(["images[0].artifactType: a media type is missing"], problems);
    }

    [Theory]
    [InlineData("", "not JSON")]
    [InlineData("[]", "not a JSON object")]
    [InlineData("{}", "version: a whole number from 1 to 2147483647 is missing")]
    [InlineData("""{"version":2,"anything":true}""", "version: 2 is newer than this program, which reads 1")]
    [InlineData("""{"version":1,"version":1,"images":[],"blobs":[],"base":[],"since":[]}""", "not JSON")]
    [InlineData("""{"version":1,"images":[],"blobs":[],"base":[],"since":[],"more":1}""", "more: is not known; is it of a newer version?")]
    [InlineData("""{"version":1,"images":{},"blobs":[],"base":[],"since":[]}""", "images: a list is missing")]
    [InlineData("""{"version":1,"images":[],"blobs":[],"base":[],"since":[],"part":{"number":3,"count":2}}""", "part.number: a whole number from 1 to 2 is missing")]
    [InlineData("""{"version":1,"images":[],"blobs":[],"base":[],"since":[],"part":{"number":1,"count":1000}}""", "part.count: a whole number from 1 to 999 is missing")]
    [InlineData("""{"version":1,"images":[],"blobs":[{"digest":"sha256:AB","size":1}],"base":[],"since":[]}""", "blobs[0].digest: a digest is missing")]
    [InlineData("""{"version":1,"images":[3],"blobs":[],"base":[],"since":["x"]}""", "images[0]: is not an object", "since[0]: is not a digest")]
    [InlineData("""{"version":1,"images":[],"blobs":[],"base":[],"since":[],"\ud800":1}""", "not JSON")]
    public void Read_WrongDocument_NamesEverythingThatIsWrong(string json, params string[] expected)
    {
        Assert.Null(BundleContents.Read(Encoding.UTF8.GetBytes(json), out var problems));

        Assert.Equal(expected.Length, problems.Count);
        Assert.All(expected.Zip(problems), pair => Assert.StartsWith(pair.First, pair.Second, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("docker.io/library/alpine:3.20", "alpine:3.20")]
    [InlineData("docker.io/library/alpine:3.20", "docker.io/library/alpine")]
    [InlineData("docker.io/library/alpine:3.20", "docker.io/../alpine:1")]
    [InlineData("application/vnd.oci.image.manifest.v1+json", "a\\nb")]
    [InlineData("linux/amd64", "linux amd64")]
    [InlineData("\"size\":70000", "\"size\":-1")]
    [InlineData("\"size\":70000", "\"size\":1.5")]
    [InlineData("\"size\":70000", "\"size\":9223372036854775807")]
    public void Read_WrongValue_IsRefused(string right, string wrong)
    {
        var json = Encoding.UTF8.GetString(SampleBundle.Contents().ToJson()).Replace(right, wrong, StringComparison.Ordinal);

        Assert.Null(BundleContents.Read(Encoding.UTF8.GetBytes(json), out var problems));
        Assert.Single(problems);
    }

    [Fact]
    public void Read_WrongOrderTwiceOrNowhere_IsRefused()
    {
        var right = SampleBundle.Contents();
        Refused(right with { Images = [.. right.Images.Reverse()] }, "images[1]: docker.io/library/alpine:3.20 is out of order");
        Refused(right with { Images = [right.Images[0], right.Images[0]] }, "images[1]: docker.io/library/alpine:3.20 is out of order, or there twice");
        Refused(right with { Blobs = [.. right.Blobs, right.Blobs[0]] }, $"blobs: {right.Blobs[0].Digest} is there twice");
        Refused(right with { Base = [right.Blobs[2]] }, $"base: {right.Blobs[2].Digest} is among the blobs as well");
        Refused(right with { Blobs = [.. right.Blobs.Skip(1)] }, "images: the manifest of docker.io/library/alpine:3.20 is neither among the blobs nor the base");

        static void Refused(BundleContents contents, string problem)
        {
            Assert.Null(BundleContents.Read(contents.ToJson(), out var problems));
            Assert.StartsWith(problem, Assert.Single(problems), StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Read_NameThatIsNotText_IsRefused()
    {
        var json = Encoding.Latin1.GetBytes("""{"version":1,"images":[],"blobs":[{"ü":1}],"base":[],"since":[]}""");

        Assert.Null(BundleContents.Read(json, out var problems));
        Assert.Contains("blobs[0]: has a name that is not text", problems);
    }

    [Fact]
    public void Read_MoreProblemsThanAnybodyReads_SaysSo()
    {
        var json = $$"""{"version":1,"images":[],"blobs":[{{string.Join(',', Enumerable.Repeat("{}", 100))}}],"base":[],"since":[]}""";

        Assert.Null(BundleContents.Read(Encoding.UTF8.GetBytes(json), out var problems));
        Assert.Equal(21, problems.Count);
        Assert.Equal("and more", problems[^1]);
    }

    private static BundleContents? Read(byte[] json)
    {
        var contents = BundleContents.Read(json, out var problems);
        Assert.Empty(problems);
        return contents;
    }
}
