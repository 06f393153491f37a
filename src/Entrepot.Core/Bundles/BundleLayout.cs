using System.Globalization;
using System.Text;

namespace Entrepot.Bundles;

/// <summary>A blob, or a piece of one, in a file of a bundle. An immutable value.</summary>
/// <param name="Name">The member's name.</param>
/// <param name="Blob">The blob.</param>
/// <param name="From">The first byte of the blob that is in it; more than 0 in a later piece.</param>
/// <param name="Size">How many are.</param>
/// <param name="Offset">Where its header begins in the file.</param>
public sealed record BundleMember(string Name, BundleBlob Blob, long From, long Size, long Offset)
{
    /// <summary>Where its content begins in the file.</summary>
    public long Content => Offset + TarHeader.HeaderBytes(Name, Size);

    /// <summary>The first byte of the file behind it and what fills its last block.</summary>
    public long End => Content + TarHeader.Padded(Size);

    /// <summary>Whether the blob ends with it.</summary>
    public bool IsLast => From + Size == Blob.Size;
}

/// <summary>A file of a bundle, of which everything is known but the bytes of blobs. Immutable.</summary>
/// <param name="Part">Which part it is; <see langword="null"/> if it is all there is.</param>
/// <param name="Head">Bytes before the first blob.</param>
/// <param name="Members">Its blobs and pieces of blobs, in order.</param>
/// <param name="Size">Bytes of the file.</param>
public sealed record BundleFileLayout(BundlePart? Part, long Head, IReadOnlyList<BundleMember> Members, long Size);

/// <summary>Where everything in the files of a bundle stands, known before a byte is written. Immutable.</summary>
/// <remarks>
/// A bundle that fits in one file is one. Otherwise its blobs go into parts in order: each into the part where the one before it ended, if all of it fits there, else into the
/// next; one for which a whole part is too small is cut, and begins where the one before it ended.
/// </remarks>
public sealed class BundleLayout
{
    private const long LeastRoom = 8 << 10;   // of a part, for blobs: below that, a bundle is headers

    private readonly BundleContents _contents;

    private BundleLayout(BundleContents contents, IReadOnlyList<BundleFileLayout> files) => (_contents, Files) = (contents, files);

    /// <summary>The files in order.</summary>
    public IReadOnlyList<BundleFileLayout> Files { get; }

    /// <summary>Bytes of all of them.</summary>
    public long Size => Files.Sum(file => file.Size);

    /// <summary>Finds out where everything stands.</summary>
    /// <param name="contents">What is in the bundle; its part is not looked at.</param>
    /// <param name="maxSize">Most bytes of a file; <see cref="long.MaxValue"/> for one file, however large.</param>
    /// <returns><see langword="null"/> if files cannot be so small: see <see cref="LeastSize"/>.</returns>
    public static BundleLayout? Of(BundleContents contents, long maxSize)
    {
        contents = contents with { Part = null };
        var whole = Whole(contents);
        if (whole.Size <= maxSize) return new BundleLayout(contents, [whole]);
        return new Cut(contents).Into(maxSize) is { } parts ? new BundleLayout(contents, parts) : null;
    }

    /// <summary>The least size of files that <see cref="Of"/> takes.</summary>
    public static long LeastSize(BundleContents contents)
    {
        contents = contents with { Part = null };
        var cut = new Cut(contents);
        var (small, large) = (cut.Least - 1, Whole(contents).Size);
        if (large <= cut.Least) return large;
        while (large - small > 1)
        {
            var middle = small + (large - small) / 2;
            if (cut.Into(middle) is null) small = middle;
            else large = middle;
        }

        return large;
    }

    /// <summary>The bytes of a file before its first blob.</summary>
    public byte[] HeadOf(BundleFileLayout file)
    {
        var head = new byte[file.Head];
        var end = 0L;
        foreach (var (name, content) in Documents(_contents with { Part = file.Part }))
        {
            var header = TarHeader.Of(name, content.Length);
            header.CopyTo(head, end);
            content.CopyTo(head, end + header.Length);
            end += header.Length + TarHeader.Padded(content.Length);
        }

        return head;
    }

    // Parts begin with what says which they are; the whole with what any tool looks for.
    private static IEnumerable<(string Name, byte[] Content)> Documents(BundleContents contents)
    {
        if (contents.Part is not null) yield return (BundleNames.Contents, contents.ToJson());
        if (contents.Part is { Number: > 1 }) yield break;
        yield return (BundleNames.Layout, Encoding.ASCII.GetBytes(BundleNames.LayoutJson));
        yield return (BundleNames.Index, contents.ToIndex());
        if (contents.Part is null) yield return (BundleNames.Contents, contents.ToJson());
    }

    private static BundleFileLayout Whole(BundleContents contents)
    {
        var head = Documents(contents).Sum(one => TarHeader.MemberBytes(one.Name, one.Content.Length));
        var members = new List<BundleMember>(contents.Blobs.Count);
        var end = head;
        foreach (var blob in contents.Blobs)
        {
            members.Add(new BundleMember(BundleNames.Member(blob.Digest), blob, 0, blob.Size, end));
            end = members[^1].End;
        }

        return new BundleFileLayout(null, head, members, end + TarHeader.EndBytes);
    }

    // The cut into parts of one contents.
    private sealed class Cut
    {
        private readonly BundleContents _contents;
        private readonly long _document;   // bytes of the contents of a part whose number and count have one digit
        private readonly long _others;     // bytes of what only the first part has

        public Cut(BundleContents contents)
        {
            _contents = contents;
            _document = (contents with { Part = new BundlePart(1, 1) }).ToJson().Length;
            _others = TarHeader.MemberBytes(BundleNames.Layout, BundleNames.LayoutJson.Length) + TarHeader.MemberBytes(BundleNames.Index, contents.ToIndex().Length);
        }

        public long Least => Head(1, BundleNames.MaxParts) + LeastRoom + TarHeader.EndBytes;

        // How many there are is known only at the end, and stands at the beginning of each: its digits are.
        public IReadOnlyList<BundleFileLayout>? Into(long maxSize)
        {
            if (maxSize < Least) return null;
            foreach (var most in (ReadOnlySpan<int>)[9, 99, BundleNames.MaxParts])
                if (Into(maxSize, most) is { } parts) return [.. parts.Select(part => part with { Part = new BundlePart(part.Part!.Value.Number, parts.Count) })];
            return null;
        }

        private List<BundleFileLayout>? Into(long maxSize, int most)
        {
            var parts = new List<BundleFileLayout>();
            var (head, members) = (Head(1, most), new List<BundleMember>());
            var end = head;
            foreach (var blob in _contents.Blobs)
            {
                var whole = new BundleMember(BundleNames.Member(blob.Digest), blob, 0, blob.Size, end);
                if (!Fits(whole.End) && Fits(Head(parts.Count + 2, most) + TarHeader.MemberBytes(whole.Name, blob.Size)))
                {
                    Next();
                    whole = whole with { Offset = end };
                }

                if (Fits(whole.End)) Add(whole);
                else CutUp(blob);
                if (parts.Count >= most) return null;
            }

            Next();
            return parts.Count <= most ? parts : null;

            bool Fits(long to) => to <= maxSize - TarHeader.EndBytes;

            void Add(BundleMember member)
            {
                members.Add(member);
                end = member.End;
            }

            void Next()
            {
                parts.Add(new BundleFileLayout(new BundlePart(parts.Count + 1, most), head, members, end + TarHeader.EndBytes));
                (head, members) = (Head(parts.Count + 1, most), []);
                end = head;
            }

            void CutUp(BundleBlob blob)
            {
                var from = 0L;
                for (var piece = 0; from < blob.Size && parts.Count < most; piece++)
                {
                    var name = BundleNames.Member(blob.Digest, piece);
                    if (!Fits(end + TarHeader.HeaderBytes(name, blob.Size) + TarHeader.BlockBytes)) Next();
                    var room = (maxSize - TarHeader.EndBytes - end - TarHeader.HeaderBytes(name, blob.Size)) / TarHeader.BlockBytes * TarHeader.BlockBytes;
                    var size = Math.Min(room, blob.Size - from);
                    Add(new BundleMember(name, blob, from, size, end));
                    from += size;
                }
            }
        }

        private long Head(int number, int count) =>
            TarHeader.MemberBytes(BundleNames.Contents, _document + Digits(number) + Digits(count) - 2) + (number == 1 ? _others : 0);

        private static int Digits(int number) => number.ToString(CultureInfo.InvariantCulture).Length;
    }
}
