using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Entrepot.ClientTests.Kit;

/// <summary>The certificate authority of this run, which every program of a test trusts, and no other; and the certificate of the registries that stand in for public ones.</summary>
/// <remarks>Made when first needed; the files lie in the temporary folder, which <c>tests/run.sh</c> removes.</remarks>
internal static class TestAuthority
{
    private static readonly string[] Names = ["localhost", "registry-1.docker.io", "quay.io", "registry.example.test"];

    private static readonly Lazy<Files> Made = new(Make);

    /// <summary>The authority's certificate in PEM, for <c>SSL_CERT_FILE</c>.</summary>
    public static string File => Made.Value.Authority;

    /// <summary>The authority's certificate.</summary>
    public static X509Certificate2 Root => Made.Value.Root;

    /// <summary>A server's certificate in PEM.</summary>
    public static string ServerCertificate => Made.Value.Certificate;

    /// <summary>The server's key in PEM.</summary>
    public static string ServerKey => Made.Value.Key;

    private static Files Make()
    {
        var folder = Directory.CreateTempSubdirectory("entrepot-authority-").FullName;
        var now = DateTimeOffset.UtcNow;
        using var rootKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var rootRequest = new CertificateRequest("CN=entrepot tests", rootKey, HashAlgorithmName.SHA256);
        rootRequest.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        rootRequest.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, true));
        rootRequest.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(rootRequest.PublicKey, false));
        var root = rootRequest.CreateSelfSigned(now.AddDays(-1), now.AddDays(30));

        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=registry", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        foreach (var name in Names) names.AddDnsName(name);
        names.AddIpAddress(System.Net.IPAddress.Loopback);
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(X509AuthorityKeyIdentifierExtension.CreateFromCertificate(root, true, false));
        using var certificate = request.Create(root, now.AddDays(-1), now.AddDays(29), [1]);

        return new Files(
            root,
            Write("authority.pem", root.ExportCertificatePem()),
            Write("server.pem", certificate.ExportCertificatePem()),
            Write("server.key", key.ExportPkcs8PrivateKeyPem()));

        string Write(string name, string pem)
        {
            var path = Path.Combine(folder, name);
            System.IO.File.WriteAllText(path, pem + "\n");
            return path;
        }
    }

    private sealed record Files(X509Certificate2 Root, string Authority, string Certificate, string Key);
}
