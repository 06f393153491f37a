using System.Security.Cryptography.X509Certificates;

namespace Entrepot.ClientTests.Kit;

/// <summary>The tests' own HTTP client: no proxy, no redirects, no decompression, so that it sees what was sent.</summary>
internal static class Http
{
    public static HttpClient Client { get; } = NewClient();

    /// <summary>One of the same kind, whose connections end with it; the caller disposes it.</summary>
    public static HttpClient NewClient() => new(new SocketsHttpHandler
    {
        AllowAutoRedirect = false,
        UseProxy = false,
        UseCookies = false,
        ConnectTimeout = TimeSpan.FromSeconds(10),
        SslOptions = new()
        {
            CertificateChainPolicy = new()
            {
                TrustMode = X509ChainTrustMode.CustomRootTrust,
                CustomTrustStore = { TestAuthority.Root },
                RevocationMode = X509RevocationMode.NoCheck,
            },
        },
    })
    { Timeout = TimeSpan.FromMinutes(2) };

    /// <summary>Whether an address answers 200 now; refused connections are a no.</summary>
    public static async Task<bool> AnswersAsync(Uri address)
    {
        try
        {
            using var answer = await Client.GetAsync(address);
            return answer.StatusCode == System.Net.HttpStatusCode.OK;
        }
        catch (HttpRequestException)
        {
            return false;
        }
    }
}
