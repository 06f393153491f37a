using static Entrepot.ClientTests.Images.ImageBuilder;

namespace Entrepot.ClientTests.Images;

/// <summary>One image of each kind that registries hold, made when first asked for.</summary>
internal static class SampleImages
{
    private const int KiB = 1024;

    private static readonly Dictionary<string, Lazy<TestImage>> Made = new TestImageRecipe[]
    {
        new("library/one", name => Single(name, Oci(Layer.Gzip(1, 100 * KiB)))),
        new("library/five", name => Single(name, Five())),
        new("library/multi", name => Index(name, ImageFormat.Oci, Oci(Layer.Gzip(10, 200 * KiB), Layer.Gzip(11, 700 * KiB)), Foreign(), Attestation(Foreign()))),
        new("library/legacy", name => Single(name, Docker())),
        new("library/legacy-list", name => Index(name, ImageFormat.Docker, Docker(), ForeignDocker())),
        new("library/plain", name => Single(name, Oci(Layer.Plain(40, 300 * KiB), Layer.Gzip(41, 50 * KiB)))),
        new("app", name => Single(name, Oci(Layer.Gzip(50, 10 * KiB)))),
        new("org/app", name => Index(name, ImageFormat.Oci, Five(), Foreign())),
    }.ToDictionary(recipe => recipe.Name, recipe => new Lazy<TestImage>(() => recipe.Make(recipe.Name)));

    /// <summary>The names of those that belong to Docker Hub's official images.</summary>
    public static IEnumerable<string> Official => Made.Keys.Where(name => name.StartsWith("library/", StringComparison.Ordinal));

    public static TestImage Named(string name) => Made[name].Value;

    private static PlatformImage Oci(params IReadOnlyList<Layer> layers) => Platform(ImageFormat.Oci, TestImage.NativeArchitecture, layers);

    private static PlatformImage Five() => Oci(
        Layer.Gzip(2, 100 * KiB), Layer.Gzip(3, 300 * KiB), Layer.Gzip(4, 1000 * KiB), Layer.Gzip(5, 2000 * KiB), Layer.Gzip(6, 5000 * KiB));

    private static PlatformImage Foreign() => Platform(ImageFormat.Oci, "s390x", Layer.Gzip(20, 250 * KiB));

    private static PlatformImage Docker() => Platform(
        ImageFormat.Docker, TestImage.NativeArchitecture, Layer.Gzip(30, 150 * KiB, Layer.DockerGzip), Layer.Gzip(31, 400 * KiB, Layer.DockerGzip));

    private static PlatformImage ForeignDocker() => Platform(ImageFormat.Docker, "s390x", Layer.Gzip(32, 90 * KiB, Layer.DockerGzip));

    private sealed record TestImageRecipe(string Name, Func<string, TestImage> Make);
}
