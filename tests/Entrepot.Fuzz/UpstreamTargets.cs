using System.Net;
using System.Text;
using System.Text.Json;
using Entrepot.Oci;
using Entrepot.Upstream;
using static Entrepot.Fuzz.Target;

namespace Entrepot.Fuzz;

/// <summary>The parsers of what upstreams write.</summary>
internal static class UpstreamTargets
{
    /// <summary>All of them.</summary>
    public static IReadOnlyList<Target> All { get; } =
    [
        OfText("challenge", Challenges, "Bearer realm=\"https://auth.example/token\",service=\"registry\",scope=\"a\"", "Negotiate YWJj==, Basic realm=x", "Bearer realm=\"a\\\"b", "a=b,c"),
        OfText("link", Links, "</v2/a/tags/list?last=b&n=1>; rel=\"next\"", "<a>; rel=prev, <b>; title=\"x, <y>\"; rel=\"a next\"", "<", "<a>;rel=next\n<b>"),
        OfText("relay", Relays, "A; hit\n5", "A; fwd=miss; detail=\"x\", B; hit\n99999999999999999999", "A; detail=\"\\\n-1"),
        OfText("redirect", Redirects, "https://cdn.example/a?sig=b", "/b", "//evil.example/", "file:///etc/passwd", "http://[::ffff:169.254.169.254]/", "http://2130706433/"),
        OfText("plain", Plains, "a\r\nb", new string('x', 300)),
        OfBytes("address-scope", Scopes, "\u007f\0\0\u0001", "0123456789abcdef"),
        OfBytes("tags", Tags, """{"name":"a","tags":["1","2",null,"\ud800",3]}""", """{"tags":null}""", "[]"),
        OfBytes("referrers", Referrers, """{"manifests":[{"artifactType":"a","digest":"x"},{"artifactType":"\udc00"}]}""", """{"manifests":null}""", """{"manifests":[1]}"""),
        OfBytes("error", Errors, """{"errors":[{"code":"A","message":"b\nc"}]}""", """{"errors":[{"message":"\ud800"}]}""", """{"errors":[[]]}"""),
        OfBytes("token", Tokens, """{"token":"abc","expires_in":300}""", """{"access_token":"a","expires_in":1e300}""", """{"token":"\ud800"}""", """{"token":"a","expires_in":-1}"""),
        OfBytes("docker-config", DockerConfigs, """{"auths":{"https://index.docker.io/v1/":{"auth":"am9lOnNlY3JldA=="}},"credHelpers":{"a":"b"},"credsStore":"c"}""", """{"auths":{"a":{"auth":"!"}}}""", """{"credsStore":"\ud800"}"""),
    ];

    private static void Challenges(string input)
    {
        foreach (var challenge in Challenge.Parse(input)) Holds(challenge.Scheme.Length > 0, "a challenge has a scheme");
        if (Challenge.Choose([input, input]) is not { } chosen) return;
        Holds(chosen.IsBearer || chosen.IsBasic, "a challenge that can be met");
        if (Uri.TryCreate(chosen.Realm, UriKind.Absolute, out var realm) && TokenRealm.Allows(new Uri("https://registry.example.com"), realm, []))
            Holds(realm.Scheme == "https" && (realm.IdnHost + ".").Contains("example.com", StringComparison.OrdinalIgnoreCase), "a realm of the registry's own domain");
    }

    private static void Links(string input)
    {
        if (LinkHeader.Next(input.Split('\n')) is { } next) Holds(input.Contains($"<{next}>", StringComparison.Ordinal), "a target that was sent");
    }

    private static void Relays(string input)
    {
        var lines = input.Split('\n', 2);
        if (RelayHeaders.Read([lines[0]], lines.Skip(1)) is not { } relay) return;
        Holds(relay.Status is null || (relay.Status.Length <= 1024 && relay.Status.All(c => c is >= ' ' and <= '~')), "a status that can stand in a header");
        Holds(relay.Age is null || relay.Age >= TimeSpan.Zero, "an age of 0 or more");
    }

    private static void Redirects(string input)
    {
        var from = new Uri("https://registry.example.com/v2/a/blobs/b");
        if (!Uri.TryCreate(input, UriKind.RelativeOrAbsolute, out var location) || Redirect.Target(from, location, out var target) is not null) return;
        Holds(target!.Scheme == "https", "https stays https");
        var destinations = new Destinations(new UpstreamOptions { Name = "a", Urls = [from] });
        if (IPAddress.TryParse(target.IdnHost, out var address) && AddressScopes.Of(address) is not AddressScope.Public)
            Holds(destinations.Objection(target) is not null, "no address that is not public");
    }

    private static void Plains(string input)
    {
        var line = Plain.Line(input);
        Holds(line.Length <= 200 && !line.Any(char.IsControl) && Plain.Line(line) == line, "one short line, which stays as it is");
    }

    private static void Scopes(byte[] input)
    {
        if (input.Length < 16) return;
        var inner = new IPAddress(input.AsSpan(0, 4));
        Holds(AddressScopes.Of(inner) == AddressScopes.Of(inner.MapToIPv6()), "a mapped address is what it is");
        AddressScopes.Of(new IPAddress(input.AsSpan(0, 16)));
    }

    private static void Tags(byte[] input)
    {
        if (TagList.Read(input) is not { } tags) return;
        Holds(tags.All(tag => Grammar.IsTag(tag)), "tags of the grammar");
        Holds(TagList.Page(tags, 2, "a", false).Tags.Count <= 2, "a page is no longer than was asked for");
    }

    private static void Referrers(byte[] input)
    {
        foreach (var type in (string?[])[null, "a"])
        {
            using var index = new ReferrerIndex(type);
            if (!index.TryAdd(input, isFiltered: false)) return;
            using var document = JsonDocument.Parse(index.Finish());
        }
    }

    private static void Errors(byte[] input)
    {
        if (ErrorDocument.FirstMessage(input) is { } message) Holds(message.Length is > 0 and <= 200 && !message.Any(char.IsControl), "one short line");
    }

    private static void Tokens(byte[] input)
    {
        var now = DateTimeOffset.UnixEpoch;
        if (TokenAnswer.Read(input, now) is { } token) Holds(token.UsableUntil >= now && token.Text.All(c => c is > ' ' and <= '~'), "a token that can be sent");
    }

    private static void DockerConfigs(byte[] input)
    {
        try
        {
            var config = DockerConfig.Parse("config.json", input);
            config.HelperOf(["docker.io"]);
            Holds(!config.CredentialsOf(["docker.io"]).ToString().Contains("secret", StringComparison.Ordinal), "credentials do not show themselves");
        }
        catch (FormatException wrong)
        {
            Holds(wrong.Message.StartsWith("config.json", StringComparison.Ordinal) && Encoding.UTF8.GetByteCount(wrong.Message) < 1000, "a message that names the file");
        }
    }
}
