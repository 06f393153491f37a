using System.Net;
using System.Text.Json.Nodes;
using Entrepot.FunctionalTests.Kit;

namespace Entrepot.FunctionalTests.Admin;

/// <summary>Asks an appliance's admin API and takes what comes.</summary>
internal static class AdminClient
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    public static Task<AdminAnswer> ListAsync(this Appliance cache, string? reference = null) =>
        cache.AdminAsync(HttpMethod.Get, "images", reference);

    public static Task<AdminAnswer> PinAsync(this Appliance cache, string reference) => cache.AdminAsync(HttpMethod.Post, "pins", reference);

    public static Task<AdminAnswer> UnpinAsync(this Appliance cache, string reference) => cache.AdminAsync(HttpMethod.Delete, "pins", reference);

    public static Task<AdminAnswer> RemoveAsync(this Appliance cache, string reference) => cache.AdminAsync(HttpMethod.Delete, "images", reference);

    public static Task<AdminAnswer> RefreshAsync(this Appliance cache, string reference) => cache.AdminAsync(HttpMethod.Post, "refresh", reference);

    public static Task<AdminAnswer> VerifyAsync(this Appliance cache) => cache.AdminAsync(HttpMethod.Post, "verify");

    public static Task<AdminAnswer> StatusAsync(this Appliance cache) => cache.AdminAsync(HttpMethod.Get, "status");

    public static async Task<AdminAnswer> AdminAsync(
        this Appliance cache, HttpMethod method, string operation, string? reference = null, params (string Name, string Value)[] headers)
    {
        var query = reference is null ? "" : $"?ref={Uri.EscapeDataString(reference)}";
        using var request = new HttpRequestMessage(method, new Uri(cache.Admin, $"/api/v1/{operation}{query}"));
        foreach (var (name, value) in headers) request.Headers.TryAddWithoutValidation(name, value);
        using var response = await cache.Client.SendAsync(request).WaitAsync(Patience);
        return new AdminAnswer(
            response.StatusCode, response.Content.Headers.ContentType?.MediaType, await response.Content.ReadAsStringAsync(), [.. response.Content.Headers.Allow]);
    }
}

/// <summary>An answer of the admin API.</summary>
internal sealed record AdminAnswer(HttpStatusCode Status, string? MediaType, string Text, IReadOnlyList<string> Allow)
{
    public JsonNode Json => JsonNode.Parse(Text)!;

    public IReadOnlyList<JsonNode> Lines => [.. Text.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonNode.Parse(line)!)];

    /// <summary>The images of a list.</summary>
    public IReadOnlyList<JsonNode> Images
    {
        get
        {
            Assert.Equal((HttpStatusCode.OK, "application/json"), (Status, MediaType));
            return [.. Json["images"]!.AsArray().Select(image => image!)];
        }
    }

    /// <summary>References and outcomes of all lines, in ordinal order.</summary>
    public string Outcomes
    {
        get
        {
            Assert.True(Status is HttpStatusCode.OK, $"{Status}: {Text}");
            Assert.Equal("application/x-ndjson", MediaType);
            return string.Join(", ", Lines.Select(line => $"{line["reference"]} {line["outcome"]}").Order(StringComparer.Ordinal));
        }
    }

    /// <summary>Asserts a refusal, and returns its one line.</summary>
    public string IsRefusal(HttpStatusCode status)
    {
        Assert.True(status == Status, $"{Status}: {Text}");
        Assert.Equal("application/json", MediaType);
        var error = (string)Json["error"]!;
        Assert.DoesNotContain('\n', error);
        return error;
    }

    public override string ToString() => $"{Status}: {Text}";
}
