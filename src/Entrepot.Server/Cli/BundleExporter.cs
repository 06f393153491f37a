using System.Text.Json;
using Entrepot.Bundles;
using Entrepot.Oci;
using Entrepot.Server.Admin;
using Entrepot.Server.Options;
using Entrepot.Server.Sources;

namespace Entrepot.Server.Cli;

/// <summary>Makes a bundle: asks what there is, decides what goes in, writes it, and its receipt. Used by one task.</summary>
internal sealed class BundleExporter
{
    // Well within what a server takes as a request's first line.
    private const int MaxQuery = 6_000;

    // What leaves between its being found and its being held is fetched again.
    private const int MostTries = 3;

    private readonly Session _session;
    private readonly ExportRequest _request;

    private BundleExporter(Session session, ExportRequest request) => (_session, _request) = (session, request);

    /// <summary>Does it.</summary>
    /// <returns>The exit status.</returns>
    public static async Task<int> RunAsync(Session session, ExportRequest request)
    {
        try
        {
            return await new BundleExporter(session, request).RunAsync();
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            throw new AdminException(fault.Message);
        }
    }

    // 1. What can be wrong without a server is looked at first. 2. What there is. 3. What goes in, and where. 4. The files. 5. The receipt.
    private async Task<int> RunAsync()
    {
        foreach (var problem in _request.Problems) await _session.ComplainAsync(Words.Line(problem));
        if (_request.Problems.Count > 0)
        {
            await _session.ComplainAsync("nothing was written, since not all that names images is understood");
            return ExitStatus.Failed;
        }

        if (_request.Images.Count == 0)
        {
            await _session.ComplainAsync("nothing was written, since no images are named");
            return ExitStatus.Failed;
        }

        var since = new SincePlan();
        if (!await ReadSinceAsync(since)) return ExitStatus.Failed;
        using var key = await ReadKeyAsync();
        if (_request.SignKey is not null && key is null) return ExitStatus.Failed;
        if (Directory.Exists(_request.Archive) || Path.GetDirectoryName(_request.Archive) is not { } directory || !Directory.Exists(directory))
        {
            await _session.ComplainAsync($"{_request.Archive} cannot be written: {(Directory.Exists(_request.Archive) ? "it is a directory" : "its directory is not there")}");
            return ExitStatus.Failed;
        }

        for (var left = MostTries; ; left--)
        {
            if (await CompleteAsync() is not { } offers) return ExitStatus.Failed;
            var contents = Plan(since, offers);
            if (BundleLayout.Of(contents, _request.MaxSize) is not { } layout)
            {
                await _session.ComplainAsync($"--max-size {_request.MaxSize} bytes is too small for this bundle; at least {BundleLayout.LeastSize(contents)} bytes are needed");
                return ExitStatus.Failed;
            }

            await using var hold = await BundleHold.BeginAsync(_session, contents.Blobs.Select(blob => blob.Digest));
            if (hold.Missing.Count == 0) return await WriteAsync(contents, layout, key);
            if (left > 1) continue;
            foreach (var blob in hold.Missing) await _session.ComplainAsync($"{Words.Line(blob)} has left the server again: other blobs have taken its room; pin the images, or raise storage.quota");
            return ExitStatus.Failed;
        }
    }

    // What there is, after what is not stored was asked for; null if it did not come, which has been said then.
    private async Task<IReadOnlyList<BundleOffer>?> CompleteAsync()
    {
        var groups = _request.Images.GroupBy(image => string.Join(',', PlatformsOf(image)), StringComparer.Ordinal).OrderBy(group => group.Key, StringComparer.Ordinal)
            .Select(group => (Platforms: PlatformsOf(group.First()), Images: group.Select(image => image.Reference).Distinct().ToList())).ToList();
        var (offers, wanted) = (new List<BundleOffer>(), new List<WarmRequestImage>());
        foreach (var (platforms, images) in groups)
        {
            foreach (var offer in await OffersAsync(images, platforms))
            {
                offers.Add(offer);
                wanted.AddRange(offer.Missing.Where(one => !one.Offline).Select(one => one.Reference).Concat(offer.Unasked).Select(one => new WarmRequestImage(one, platforms)));
            }
        }

        if (wanted.Count > 0)
        {
            await WarmAsync(wanted);
            offers.Clear();
            foreach (var (platforms, images) in groups) offers.AddRange(await OffersAsync(images, platforms));
        }

        var missing = offers.SelectMany(offer => offer.Missing).ToList();
        foreach (var one in missing) await _session.ComplainAsync($"{Words.Line(one.Reference)}: {Words.Line(one.What)}");
        if (missing.Count == 0) return offers;
        await _session.ComplainAsync("nothing was written, since not all is stored");
        return null;
    }

    private IReadOnlyList<string> PlatformsOf(WarmRequestImage image) =>
        image.Platforms is { Count: > 0 } own ? [.. own.Distinct().Order(StringComparer.Ordinal)] : _request.Platforms;

    private async Task<int> WriteAsync(BundleContents contents, BundleLayout layout, BundleKey? key)
    {
        var display = new ExportDisplay(_session.Around, isSilent: _session.IsJson);
        await display.SayAsync($"exporting {Words.Count(contents.Images.Count, "image")}: {Words.Count(contents.Blobs.Count, "blob")}, {Quantity.Show(contents.Blobs.Sum(blob => blob.Size))}"
            + (contents.Base.Count == 0 ? "" : $"; {Words.Count(contents.Base.Count, "blob")}, {Quantity.Show(contents.Base.Sum(blob => blob.Size))} left out, which the far side has"));
        await using var writer = new BundleWriter(_session, layout, _request.Archive, display);
        var receiptFile = BundleNames.ReceiptFile(_request.Archive);
        var signatureFile = key is null ? null : BundleNames.SignatureFile(receiptFile);
        IReadOnlyList<BundleFile> files;
        try
        {
            files = await writer.WriteAsync();
            var receipt = BundleReceipt.Of(contents, files).ToJson();
            await writer.NameAsync(receiptFile, receipt, key is null ? null : System.Text.Encoding.ASCII.GetBytes(key.Sign(receipt)));
        }
        finally
        {
            await display.ClearAsync();
        }

        var directory = Path.GetDirectoryName(_request.Archive)!;
        var report = new ExportReport(
            contents.Id().ToString(), receiptFile, signatureFile,
            [.. files.Select(file => new ExportedFile(Path.Combine(directory, file.Name), file.Size, file.Digest.ToString()))],
            [.. contents.Images.Select(image => image.Reference.ToString())], contents.Blobs.Count, contents.Blobs.Sum(blob => blob.Size), contents.Base.Count, contents.Base.Sum(blob => blob.Size));
        if (_session.IsJson) await _session.Around.Out.WriteLineAsync(JsonSerializer.Serialize(report, AdminJson.Default.ExportReport));
        await display.EndAsync(report, writer.Found);
        return ExitStatus.Fine;
    }

    private async Task<bool> ReadSinceAsync(SincePlan since)
    {
        var isRight = true;
        foreach (var file in _request.Since)
        {
            foreach (var problem in since.Add(await ReadAsync("--since", file)))
            {
                await _session.ComplainAsync($"--since {file}: {Words.Line(problem)}");
                isRight = false;
            }
        }

        return isRight;
    }

    // What is stored is not asked for again. Why an image could not be fetched is told here, and that it is missing afterwards.
    private async Task WarmAsync(List<WarmRequestImage> images)
    {
        if (!_session.IsJson) await _session.Around.Out.WriteLineAsync($"asking for what is not stored of {Words.Count(images.Count, "image")}");
        var request = new WarmRequest(images, Referrers: _request.WithReferrers, Parallel: _request.Parallel, MissingOnly: true);
        await foreach (var (_, line) in _session.Server.StreamAsync("/api/v1/warm", request, AdminJson.Default.WarmRequest, AdminJson.Default.WarmLine, _session.Stop))
        {
            foreach (var ended in line.Ended)
            {
                if (ended.Error is { } error) await _session.ComplainAsync($"{Words.Line(ended.Reference)}: {Words.Line(error)}");
                else if (!_session.IsJson) await _session.Around.Out.WriteLineAsync($"{Words.Line(ended.Status),-9} {Words.Line(ended.Reference)}: {Quantity.Show(ended.Bytes)}");
            }
        }
    }

    private async Task<BundleKey?> ReadKeyAsync()
    {
        if (_request.SignKey is not { } file) return null;
        var text = await ReadAsync("--sign-key", file);
        if (text.Length > BundleKey.MaxLength) throw new AdminException($"--sign-key {file}: is too large for a key");
        if (BundleKey.ReadPrivate(System.Text.Encoding.UTF8.GetString(text), out var key) is { } problem)
            await _session.ComplainAsync($"--sign-key {file}: {Words.Line(problem)}");
        return key;
    }

    private async Task<byte[]> ReadAsync(string flag, string file)
    {
        try
        {
            return await File.ReadAllBytesAsync(file, _session.Stop);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            throw new AdminException($"{flag} {file}: cannot be read: {SourceReader.Reason(fault)}");
        }
    }

    private async Task<IReadOnlyList<BundleOffer>> OffersAsync(IReadOnlyList<string> images, IReadOnlyList<string> platforms)
    {
        var rest = string.Concat(platforms.Select(platform => $"&platform={Uri.EscapeDataString(platform)}")) + (_request.WithReferrers ? "" : "&referrers=false");
        var offers = new List<BundleOffer>();
        var query = "";
        foreach (var image in images)
        {
            var one = $"&ref={Uri.EscapeDataString(image)}";
            if (query.Length + one.Length > MaxQuery) await AskAsync();
            query += one;
        }

        await AskAsync();
        return offers;

        async Task AskAsync()
        {
            if (query.Length > 0) offers.Add((await _session.Server.GetAsync($"/api/v1/bundles?{query[1..]}{rest}", AdminJson.Default.BundleOffer, _session.Stop)).Value);
            query = "";
        }
    }

    private static BundleContents Plan(SincePlan since, IReadOnlyList<BundleOffer> offers)
    {
        try
        {
            var blobs = offers.SelectMany(offer => offer.Blobs).ToList();
            return since.Plan(
                offers.SelectMany(offer => offer.Images).GroupBy(image => image.Reference).Select(same => (Image: same.First(), Platforms: same.SelectMany(image => image.Platforms))).Select(one => new BundleImage(
                    Reference.TryParse(one.Image.Reference, out var reference) ? reference : throw new FormatException($"{one.Image.Reference} is not a reference"),
                    Digest.Parse(one.Image.Digest), one.Image.MediaType, one.Image.Size, [.. one.Platforms.Distinct().Order(StringComparer.Ordinal)], one.Image.ArtifactType)),
                blobs.Where(blob => blob.Manifest).Select(blob => Digest.Parse(blob.Digest)).ToHashSet(),
                blobs.Select(blob => new BundleBlob(Digest.Parse(blob.Digest), blob.Size)));
        }
        catch (FormatException fault)
        {
            throw new AdminException($"the server's answer cannot be understood ({Words.Line(fault.Message)}); is it another version? This is {Product.Version}");
        }
    }
}
