using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;

namespace Entrepot.Bundles;

/// <summary>A key that signs receipts, or verifies them: ECDSA on the curve P-256 with SHA-256, as <c>cosign sign-blob</c> and <c>cosign verify-blob</c> have it.</summary>
/// <remarks>Not for concurrent use. The owner disposes it.</remarks>
public sealed class BundleKey : IDisposable
{
    /// <summary>Most characters of a key's file.</summary>
    public const int MaxLength = 64 << 10;

    private const string Curve = "1.2.840.10045.3.1.7";
    private const string Allowed = "an EC key on the curve P-256 in PEM is needed";
    private const string Make = "such as 'openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256' makes";

    private readonly ECDsa _key;

    private BundleKey(ECDsa key) => _key = key;

    /// <summary>Reads a private key, PKCS#8 or SEC1, not encrypted.</summary>
    /// <param name="pem">The file's text.</param>
    /// <param name="key">The key, which the caller disposes.</param>
    /// <returns>What is wrong and what is allowed; <see langword="null"/> if nothing is.</returns>
    public static string? ReadPrivate(string pem, out BundleKey? key)
    {
        key = null;
        var label = LabelOf(pem, "PRIVATE KEY");
        if (label is null) return $"there is no private key in it: {Allowed}, {Make}";
        if (label.Contains("ENCRYPTED", StringComparison.Ordinal) || pem.Contains("\nProc-Type: 4,ENCRYPTED", StringComparison.Ordinal))
            return $"the key is encrypted: {Allowed} without a password, {Make}";
        return label is "PRIVATE KEY" or "EC PRIVATE KEY" ? Import(pem, out key) : $"it is a {label}: {Allowed}, {Make}";
    }

    /// <summary>Reads a public key (SubjectPublicKeyInfo).</summary>
    /// <param name="pem">The file's text.</param>
    /// <param name="key">The key, which the caller disposes; it cannot sign.</param>
    /// <returns>What is wrong and what is allowed; <see langword="null"/> if nothing is.</returns>
    public static string? ReadPublic(string pem, out BundleKey? key)
    {
        key = null;
        if (LabelOf(pem, "PRIVATE KEY") is not null) return "it is a private key, which should stay where bundles are signed: the public one is needed here, such as 'openssl pkey -pubout' prints";
        return LabelOf(pem, "PUBLIC KEY") switch
        {
            "PUBLIC KEY" => Import(pem, out key),
            null => $"there is no public key in it: {Allowed}",
            var other => $"it is a {other}: {Allowed}",
        };
    }

    /// <summary>Signs some bytes: base64 of the signature in DER.</summary>
    public string Sign(ReadOnlySpan<byte> content) =>
        Convert.ToBase64String(_key.SignData(content, HashAlgorithmName.SHA256, DSASignatureFormat.Rfc3279DerSequence));

    /// <summary>Whether a signature is this key's over some bytes. What is no signature is not.</summary>
    /// <param name="content">What was signed.</param>
    /// <param name="signature">Base64 of the signature in DER; a line's end after it is allowed.</param>
    public bool Verifies(ReadOnlySpan<byte> content, string signature)
    {
        var der = new byte[signature.Length];
        return Convert.TryFromBase64String(signature.Trim(), der, out var count)
            && _key.VerifyData(content, der.AsSpan(0, count), HashAlgorithmName.SHA256, DSASignatureFormat.Rfc3279DerSequence);
    }

    /// <inheritdoc/>
    public void Dispose() => _key.Dispose();

    // The first label that ends so: a SEC1 file may begin with the curve's parameters.
    private static string? LabelOf(string pem, string ending)
    {
        for (var rest = pem.AsSpan(); PemEncoding.TryFind(rest, out var fields); rest = rest[fields.Location.End..])
            if (rest[fields.Label].EndsWith(ending, StringComparison.Ordinal)) return rest[fields.Label].ToString();
        return null;
    }

    [SuppressMessage("Reliability", "CA2000", Justification = "The key is owned by what is returned, and disposed if nothing is.")]
    private static string? Import(string pem, out BundleKey? key)
    {
        key = null;
        var imported = ECDsa.Create();
        try
        {
            imported.ImportFromPem(pem);
            if (imported.ExportParameters(false).Curve.Oid.Value is Curve)
            {
                key = new BundleKey(imported);
                return null;
            }
        }
        catch (Exception fault) when (fault is CryptographicException or ArgumentException)
        {
            imported.Dispose();
            return $"it cannot be read ({fault.Message}): {Allowed}, {Make}";
        }

        imported.Dispose();
        return $"it is on another curve: {Allowed}, {Make}";
    }
}
