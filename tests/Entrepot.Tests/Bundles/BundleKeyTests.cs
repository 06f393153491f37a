using System.Security.Cryptography;
using Entrepot.Bundles;

namespace Entrepot.Tests.Bundles;

public sealed class BundleKeyTests
{
    [Fact]
    public void Sign_EitherForm_VerifiesWithThePublicKeyAlone()
    {
        using var made = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        Assert.Null(BundleKey.ReadPublic(made.ExportSubjectPublicKeyInfoPem(), out var verifying));
        foreach (var pem in new[] { made.ExportPkcs8PrivateKeyPem(), made.ExportECPrivateKeyPem() })
        {
            Assert.Null(BundleKey.ReadPrivate(pem, out var signing));
            var signature = signing!.Sign("receipt"u8);

            Assert.True(verifying!.Verifies("receipt"u8, signature + "\n"));
            Assert.False(verifying.Verifies("Receipt"u8, signature));
            Assert.False(verifying.Verifies("receipt"u8, "not base64"));
            Assert.False(verifying.Verifies("receipt"u8, ""));
            signing.Dispose();
        }

        verifying!.Dispose();
    }

    [Fact]
    public void ReadPrivate_WrongKeys_AreNamed()
    {
        using var other = ECDsa.Create(ECCurve.NamedCurves.nistP384);
        using var right = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var rsa = RSA.Create(2048);
        Refused(other.ExportPkcs8PrivateKeyPem(), "it is on another curve: an EC key on the curve P-256");
        Refused(rsa.ExportRSAPrivateKeyPem(), "it is a RSA PRIVATE KEY: an EC key on the curve P-256");
        Refused(rsa.ExportPkcs8PrivateKeyPem(), "it cannot be read");
        Refused(right.ExportEncryptedPkcs8PrivateKeyPem("secret", new PbeParameters(PbeEncryptionAlgorithm.Aes256Cbc, HashAlgorithmName.SHA256, 1000)), "the key is encrypted");
        Refused("-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED SIGSTORE PRIVATE KEY-----\n", "the key is encrypted");
        Refused(right.ExportSubjectPublicKeyInfoPem(), "there is no private key in it");
        Refused("", "there is no private key in it");
        Assert.StartsWith("it is a private key, which should stay", BundleKey.ReadPublic(right.ExportPkcs8PrivateKeyPem(), out _), StringComparison.Ordinal);

        static void Refused(string pem, string problem)
        {
            Assert.StartsWith(problem, BundleKey.ReadPrivate(pem, out var key), StringComparison.Ordinal);
            Assert.Null(key);
        }
    }
}
