using Entrepot.Bundles;
using Entrepot.Oci;
using Entrepot.Pull;
using Entrepot.Server.Cli.Bundles;
using Entrepot.Server.Sources;
using static Entrepot.Fuzz.Target;

namespace Entrepot.Fuzz;

/// <summary>The parsers of files that come from elsewhere: bundles and other archives, and those that name images.</summary>
internal static class FileTargets
{
    private static readonly BundleContents Bundle = new(
        [new BundleImage(new Reference("docker.io", "library/alpine", "3.20"), Digest.Of([1]), MediaTypes.OciManifest, 1, ["linux/amd64"])],
        [new BundleBlob(Digest.Of([1]), 1)], [new BundleBlob(Digest.Of([2]), 7)], [Digest.Of([3])], new BundlePart(1, 2));

    private static readonly string Contents = Text(Bundle.ToJson());
    private static readonly string Receipt = Text(BundleReceipt.Of(Bundle, [new BundleFile("site.001.tar", 5, Digest.Of([4])), new BundleFile("site.002.tar", 6, Digest.Of([5]))]).ToJson());

    /// <summary>All of them.</summary>
    public static IReadOnlyList<Target> All { get; } =
    [
        OfText("bundle-member", Members, BundleNames.Member(Digest.Of([])), BundleNames.Member(Digest.Of([]), 7), "blobs/sha256/../../etc/passwd", "blobs//x.000"),
        OfText("member-name", MemberNames, "./a//b/./c\n../d", "../x\nx", "/etc/passwd\n/", "a\n../../b", "a/b\n.."),
        OfText("image-name", ImageNames, "alpine\nlatest\n", "docker.io/library/alpine:3.20\n\n", $"localhost/a@{Digest.Of([])}\nghcr.io/org/app:v1\napp:v2", "index.docker.io/a\n1.0\napp"),
        OfText("set-name", SetNames, "/media/site.001.tar", "-.tar", "..", "site.tar/"),
        OfText("bundle-key", Keys, "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE\n-----END PUBLIC KEY-----\n", "-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n-----END EC PRIVATE KEY-----", "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----"),
        OfText("dot-env", DotEnvs, "A=1\nexport B=\"x # y\" # z\n#C=2\nD='", "=\n"),
        OfText("image-file", ImageFiles, "images.txt\nalpine:3.20 linux/amd64,linux/arm64 # mine\n\n", "compose.yaml\nservices:\n  web:\n    image: ${A:-nginx}:${B?no}\n    build: .\n",
            "x.yaml\napiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - image: a\n---\n- b\n", "Dockerfile\n# escape=`\nARG V=1\nFROM --platform=linux/arm64 a:$V AS b\nRUN <<E\nFROM x\nE\nCOPY --from=c:1 x `\n y\nFROM b\n",
            "compose.yaml\nservices:\n  a: &a {image: \"$${A}\"}\n  b: {<<: *a, image: \"${A:+${B:-c}}\"}\n", "x.yml\n!!![Z"),
        OfBytes("bundle-contents", BundleDocuments, Contents, Receipt, """{"version":2}""", """{"version":1,"images":[{"reference":"\ud800"}],"\udc00":1}"""),
        OfBytes("layout-index", LayoutIndexes, Text(Bundle.ToIndex()), """{"manifests":null}""", """{"manifests":[{"digest":"\ud800","annotations":{"io.containerd.image.name":"\udc00"}}]}""", """{"manifests":[1]}"""),
        OfBytes("docker-save", DockerSaves, """[{"Config":"a.json","RepoTags":["a:1",null],"Layers":["b/layer.tar"]}]""", """{"rootfs":{"type":"layers","diff_ids":["sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"]}}""",
            """[{"Config":"\ud800"}]""", """{"rootfs":{"diff_ids":null}}"""),
    ];

    private static void Members(string input)
    {
        if (!BundleNames.TryParseMember(input, out var digest, out var piece)) return;
        Holds(input == (piece is { } number ? BundleNames.Member(digest, number) : BundleNames.Member(digest)), "a member is written as it was read");
    }

    // The folder, and what a link in it says.
    private static void MemberNames(string input)
    {
        var (name, target) = Lines(input) is [var first, var second, ..] ? (first, second) : (input, input);
        var folder = MemberName.Normalise(name);
        if (folder is not null) Holds(MemberName.Normalise(folder) == folder && IsInside(folder), "a name stays as it is, and inside");
        if (MemberName.Resolve(folder ?? "", target) is { } resolved) Holds(IsInside(resolved), "a link leads nowhere but inside");
    }

    private static void ImageNames(string input)
    {
        var lines = Lines(input);
        foreach (var line in lines)
        {
            if (ImageName.Complete(line) is not { } full) continue;
            Holds(ImageName.Complete(full) == full, "what is completed stays as it is");
            Holds(full.IndexOf('/', StringComparison.Ordinal) > 0, "a registry and a repository");
        }

        if (lines is [var name, var refName, var given, ..] && ImageName.Of(name, refName, given) is { } found) Holds(ImageName.Complete(found) == found, "an image's name in full");
    }

    private static void SetNames(string input) => Holds(ImageSets.IsName(SetName.Of(input)), "a set has a name");

    private static void Keys(string input)
    {
        foreach (var read in (Func<string, (string? Objection, BundleKey? Key)>[])[Private, Public])
        {
            var (objection, key) = read(input);
            Holds(objection is null == key is not null, "a key, or what is wrong with it");
            if (key is null) continue;
            Holds(!key.Verifies([1], input), "what is no signature is none");
            key.Dispose();
        }

        static (string?, BundleKey?) Private(string pem) => (BundleKey.ReadPrivate(pem, out var key), key);
        static (string?, BundleKey?) Public(string pem) => (BundleKey.ReadPublic(pem, out var key), key);
    }

    private static void DotEnvs(string input) => Holds(DotEnv.Read(input, _ => null).Keys.All(name => name.Length <= input.Length), "names of variables");

    // The file's name is its first line, where that can be one.
    private static void ImageFiles(string input)
    {
        var end = input.IndexOf('\n', StringComparison.Ordinal);
        var (name, text) = end < 0 ? ("images.txt", input) : (input[..end], input[(end + 1)..]);
        if (name.Length == 0 || name.Contains('\0', StringComparison.Ordinal)) name = "images.txt";
        foreach (var kind in (ImageFileKind?[])[null, .. Enum.GetValues<ImageFileKind>()])
        {
            var found = ImageFile.Read(name, text, kind, variable => variable.Length > 1 ? variable : null, NoFile);
            Holds(found.Images.Distinct().Count() == found.Images.Count, "each image once");
            Holds(found.Problems.All(problem => problem.StartsWith(name, StringComparison.Ordinal)), "problems name their file");
        }
    }

    private static string? NoFile(string path, out string problem)
    {
        problem = "not there";
        return null;
    }

    private static void BundleDocuments(byte[] input)
    {
        var contents = BundleContents.Read(input, out var problems);
        Holds(contents is null == problems.Count > 0, "contents, or what is wrong with them");
        if (contents is not null) Holds(BundleContents.Read(contents.ToJson(), out _)?.Id() == contents.Id(), "the same bundle, read again");
        var receipt = BundleReceipt.Read(input, out problems);
        Holds(receipt is null == problems.Count > 0, "a receipt, or what is wrong with it");
        if (receipt is not null) Holds(receipt.Parts.All(part => Path.GetFileName(part.Name) == part.Name), "names of files, without directories");
    }

    private static void LayoutIndexes(byte[] input) => Holds(LayoutIndex.TryParse(input)?.All(image => image.Image.Digest != default) is not false, "images have digests");

    private static void DockerSaves(byte[] input)
    {
        Holds(DockerSave.TryParse(input)?.All(image => image.Tags.Concat(image.Layers).Append(image.Config).All(text => text is not null)) is not false, "names, or none");
        Holds(DockerSave.DiffIdsOf(input)?.All(digest => digest != default) is not false, "layers have digests");
    }

    private static bool IsInside(string name) => name.Length > 0 && name[0] != '/' && !name.Split('/').Any(part => part is "" or "." or "..");

    private static string[] Lines(string input) => input.Split('\n');

    private static string Text(byte[] json) => System.Text.Encoding.UTF8.GetString(json);
}
