using System.Globalization;
using System.Text;
using Entrepot.Oci;
using Entrepot.Pull;

namespace Entrepot.Storage;

/// <summary>What is written beside a partial file, so that a later fetch can go on with it: <c>fill size validator from-to from-to …</c>.</summary>
/// <param name="State">What is there.</param>
/// <param name="Fill">Whether all of it is to come.</param>
internal sealed record PartialRecord(PartialState State, FillMode Fill)
{
    private const string NoValidator = "-";

    /// <summary>The name of the record of a partial file.</summary>
    public static string PathOf(string partial) => partial + ".extents";

    /// <summary>Reads the record of a partial file.</summary>
    /// <returns><see langword="null"/> if there is none, it was not written whole, or it does not fit the file.</returns>
    public static PartialRecord? TryRead(string partial)
    {
        try
        {
            var line = File.ReadAllBytes(PathOf(partial)).AsSpan().TrimEnd((byte)'\n');
            if (!CheckedLine.TryRead(line, out var content)) return null;
            return Parse(Encoding.ASCII.GetString(content)) is { } record && record.State.Written.Spans[^1].To <= new FileInfo(partial).Length ? record : null;
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>Writes the record of a partial file, whose bytes are durable by then; a crash leaves the one before or this one.</summary>
    public void Write(string partial, FileCalls files)
    {
        var path = PathOf(partial);
        File.WriteAllBytes(path + ".new", CheckedLine.Of(Encoding.ASCII.GetBytes(Text())));
        files.Rename(path + ".new", path);
    }

    private static PartialRecord? Parse(string text)
    {
        var fields = text.Split(' ');
        if (fields.Length < 4 || !Enum.TryParse<FillMode>(fields[0], out var fill) || !TryNumber(fields[1], out var size)) return null;

        var written = new Extents();
        foreach (var field in fields.AsSpan(3))
        {
            var dash = field.IndexOf('-', StringComparison.Ordinal);
            if (dash < 0 || !TryNumber(field[..dash], out var from) || !TryNumber(field[(dash + 1)..], out var to) || from >= to || to > size) return null;
            written.Add(new ByteSpan(from, to));
        }

        var validator = fields[2] == NoValidator ? null : Encoding.UTF8.GetString(Convert.FromHexString(fields[2]));
        return new PartialRecord(new PartialState(size, validator, written), fill);
    }

    private string Text()
    {
        var text = new StringBuilder();
        var validator = State.Validator is { } tag ? Convert.ToHexString(Encoding.UTF8.GetBytes(tag)) : NoValidator;
        text.Append(CultureInfo.InvariantCulture, $"{Fill} {State.Size} {validator}");
        foreach (var span in State.Written.Spans) text.Append(CultureInfo.InvariantCulture, $" {span.From}-{span.To}");
        return text.ToString();
    }

    private static bool TryNumber(string text, out long number) => long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out number);
}
