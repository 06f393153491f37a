using System.Text.Json.Nodes;

namespace Entrepot.FunctionalTests.Kit;

/// <summary>A response as far as it came.</summary>
/// <param name="Status">The status code; 0 if the connection broke before it came.</param>
/// <param name="Bytes">The body, as far as it came.</param>
/// <param name="Clean">Whether it ended as HTTP says; <see langword="false"/> if the connection broke before.</param>
/// <param name="Headers">Its headers, by their names in any case.</param>
internal sealed record Got(int Status, byte[] Bytes, bool Clean, ILookup<string, string> Headers)
{
    /// <summary>One header, exactly as it was sent; <see langword="null"/> if it was not.</summary>
    public string? Header(string name) => Headers.Contains(name) ? string.Join(", ", Headers[name]) : null;

    public string? CacheStatus => Header("Cache-Status");

    /// <summary>The code of an error in the OCI form; <see langword="null"/> if the body is something else.</summary>
    public string? ErrorCode
    {
        get
        {
            try
            {
                return (string?)JsonNode.Parse(Bytes)?["errors"]?[0]?["code"];
            }
            catch (System.Text.Json.JsonException)
            {
                return null;
            }
        }
    }

    // Not a list of all properties: xunit prints what fails, and not every body is JSON.
    public override string ToString() => $"{Status}, {Bytes.Length} bytes, {(Clean ? "clean" : "broken")}, {ErrorCode ?? CacheStatus}";

    public JsonNode Json => JsonNode.Parse(Bytes)!;

    /// <summary>Asserts an error in the OCI form.</summary>
    public void IsError(int status, string code)
    {
        Assert.Equal((status, code), (Status, ErrorCode));
        Assert.True(Clean);
        Assert.Equal("registry/2.0", Header("Docker-Distribution-API-Version"));
    }

    /// <summary>Asserts that nobody can take this for the content: an error before the headers, or a body that broke.</summary>
    public void IsFailure()
    {
        if (Clean) IsError(502, "UNAVAILABLE");
        else Assert.True(Status is 0 or 200, $"status {Status}");
    }

    /// <summary>Asserts a failure, or the whole content where an upstream's fault can be healed.</summary>
    public void IsFailureOr(byte[] right)
    {
        if (Clean && Status == 200) Is(right);
        else IsFailure();
    }

    /// <summary>Asserts that this is the whole content.</summary>
    public void Is(byte[] right)
    {
        Assert.Equal((200, true), (Status, Clean));
        Assert.Null(Header("Content-Encoding"));
        Assert.True(right.AsSpan().SequenceEqual(Bytes), $"{Bytes.Length} bytes are not the {right.Length} right ones");
    }
}
