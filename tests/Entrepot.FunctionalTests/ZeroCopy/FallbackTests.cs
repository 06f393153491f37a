using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Entrepot.Server.Edge;
using Entrepot.Server.ZeroCopy;
using Entrepot.Storage;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace Entrepot.FunctionalTests.ZeroCopy;

/// <summary>Where sendfile is not to be had, the same bytes come by way of memory: over a listener with TLS, which the appliance does not have itself.</summary>
public sealed class FallbackTests : ZeroCopyTest
{
    [Theory]
    [InlineData("1.1", true)]
    [InlineData("2.0", true)]
    [InlineData("2.0", false)]
    [InlineData("1.1", false)]
    public async Task Get_TlsOrHttp2_IsCopied(string version, bool isEncrypted)
    {
        var output = new ZeroCopyOutput(1000, TimeProvider.System, Calls);
        using var certificate = NewCertificate();
        await using var web = await StartAsync(output, isEncrypted ? certificate : null, Version.Parse(version));
        using var client = new HttpClient(new SocketsHttpHandler
        {
            UseProxy = false,
            SslOptions = { RemoteCertificateValidationCallback = (_, shown, _, _) => shown?.GetCertHashString() == certificate.Thumbprint },
        })
        {
            DefaultRequestVersion = Version.Parse(version),
            DefaultVersionPolicy = HttpVersionPolicy.RequestVersionExact,
        };

        for (var time = 0; time < 2; time++)
        {
            using var response = await client.GetAsync(web.Urls.Single());
            Assert.Equal(Version.Parse(version), response.Version);
            var bytes = await response.Content.ReadAsByteArrayAsync();
            Assert.True(Large.Bytes.AsSpan().SequenceEqual(bytes));
        }

        // Plain HTTP/1.1 shows that the others could have had it.
        Assert.Equal((version, isEncrypted) == ("1.1", false), output.Counts.Sent > 0);
    }

    private async Task<WebApplication> StartAsync(ZeroCopyOutput output, X509Certificate2? certificate, Version version)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().UseKestrelHttpsConfiguration().ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, listen =>
        {
            listen.Protocols = version.Major == 1 ? HttpProtocols.Http1 : HttpProtocols.Http2;
            if (certificate is not null) listen.UseHttps(certificate);
            output.UseFor(listen);
        }));
        var web = builder.Build();
        web.Run(async context =>
        {
            await using var blob = new FileBlob(new SharedFile(File.OpenHandle(Cache.Store.PathOf(Large.Digest))), new ColdReads(new FileCalls()), LargeSize);
            context.Response.ContentLength = blob.Size;
            await new BodyOutput(context, () => { }).WriteAsync(blob, new(0, blob.Size), context.RequestAborted);
        });
        await web.StartAsync();
        return web;
    }

    private static X509Certificate2 NewCertificate()
    {
        using var key = RSA.Create(2048);
        var request = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        using var made = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
        return X509CertificateLoader.LoadPkcs12(made.Export(X509ContentType.Pkcs12), null);
    }
}
