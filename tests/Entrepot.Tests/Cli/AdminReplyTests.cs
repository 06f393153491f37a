using System.Text;
using Entrepot.Oci;
using Entrepot.Server.Admin;
using Entrepot.Tests.Kit;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Time.Testing;

namespace Entrepot.Tests.Cli;

/// <summary>How answers of the admin API look while their work takes long.</summary>
public sealed class AdminReplyTests : IDisposable
{
    private readonly FakeTimeProvider _clock = new();
    private readonly MemoryStream _body = new();
    private readonly DefaultHttpContext _context = new();
    private readonly TaskCompletionSource _work = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly AdminReply _reply;

    public AdminReplyTests()
    {
        _context.Response.Body = _body;
        _reply = new AdminReply(_context, _clock);
    }

    private string Text => Encoding.UTF8.GetString(_body.ToArray());

    public void Dispose() => _reply.Dispose();

    [Fact]
    public async Task WriteLines_RefusedSoon_HasTheStatusOfTheRefusal()
    {
        await _reply.WriteLinesAsync(() => _reply.WriteAsync(new Objection(404, "nothing"))).Soon();

        Assert.Equal((404, "application/json", "{\"error\":\"nothing\"}"), (_context.Response.StatusCode, _context.Response.ContentType, Text));
    }

    [Fact]
    public async Task WriteLines_SilentForLong_BeginsWithEmptyLinesAndCanBeRefusedInTheLast()
    {
        var writing = _reply.WriteLinesAsync(async () =>
        {
            await _work.Task;
            await _reply.WriteAsync(new Objection(409, "too late"));
        });
        await BeatAsync();
        await BeatAsync();

        _work.SetResult();
        await writing.Soon();

        Assert.Equal((200, "application/x-ndjson", "\n\n{\"error\":\"too late\"}\n"), (_context.Response.StatusCode, _context.Response.ContentType, Text));
    }

    [Fact]
    public async Task WriteList_EntriesTakeLong_IsBegunAtOnceAndIsOneLineOfJson()
    {
        var writing = _reply.WriteListAsync("images", EntriesAsync(), AdminJson.Default.AdminError);
        Assert.Equal("{\"images\":[", Text);
        await BeatAsync();

        _work.SetResult();
        await writing.Soon();

        Assert.Equal("{\"images\":[ {\"error\":\"a\"},{\"error\":\"b\"}]}", Text);
        Assert.Equal("application/json", _context.Response.ContentType);
    }

    private async IAsyncEnumerable<AdminError> EntriesAsync()
    {
        await _work.Task;
        yield return new AdminError("a");
        yield return new AdminError("b");
    }

    private async Task BeatAsync()
    {
        var before = _body.Length;
        _clock.Advance(AdminReply.BeatEvery);
        Assert.True(await Task.Run(() => SpinWait.SpinUntil(() => _body.Length > before, TimeSpan.FromSeconds(20))));
    }
}
