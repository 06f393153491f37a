namespace Entrepot.Server.Cli.Bundles;

/// <summary>A file of which only headers are read: what asks for more than any name needs is refused. Owns nothing.</summary>
/// <remarks>A tar header may announce a name of two gigabytes, which its reader would take into memory.</remarks>
internal sealed class HeaderStream(Stream file) : Stream
{
    private const int MaxRead = 1 << 20;

    public override bool CanRead => true;

    public override bool CanSeek => true;

    public override bool CanWrite => false;

    public override long Length => file.Length;

    public override long Position { get => file.Position; set => file.Position = value; }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override int Read(Span<byte> buffer) => buffer.Length <= MaxRead
        ? file.Read(buffer)
        : throw new InvalidDataException($"a member's name or attributes take {buffer.Length} bytes; at most {MaxRead} are allowed");

    public override long Seek(long offset, SeekOrigin origin) => file.Seek(offset, origin);

    public override void Flush() { }

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
}
