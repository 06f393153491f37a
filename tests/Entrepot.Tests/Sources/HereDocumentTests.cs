using Entrepot.Server.Sources;

namespace Entrepot.Tests.Sources;

/// <summary>Here-documents of Dockerfiles: what they hold names no image, and what only looks like one hides none.</summary>
public sealed class HereDocumentTests
{
    [Theory]
    [InlineData("RUN echo $((1<<SHIFT))")]
    [InlineData("RUN echo \"see <<EOF\"")]
    [InlineData("RUN echo 'it is <<EOF'")]
    [InlineData("RUN echo \"\\\" <<EOF\"")]
    [InlineData("RUN echo see\\ <<EOF \\<<EOF")]
    [InlineData("RUN cat<<EOF")]
    [InlineData("RUN cat <<<EOF")]
    [InlineData("RUN cat <<< EOF")]
    [InlineData("RUN cat <<")]
    [InlineData("RUN [\"sh\", \"-c\", \"cat <<EOF\"]")]
    [InlineData("ENV A <<EOF")]
    public void Dockerfile_WithWhatIsNoHereDocument_IsReadOn(string instruction)
    {
        var found = Read($"{instruction}\nFROM b:1");

        Assert.Equal(["b:1"], found.Images.Select(image => image.Reference));
        Assert.Empty(found.Problems);
    }

    [Theory]
    [InlineData("RUN cat <<END-OF-FILE", "FROM no:1", "END-OF-FILE")]
    [InlineData("RUN cat <<\"END OF FILE\" | sh", "FROM no:1", "END", "END OF FILE")]
    [InlineData("RUN cat <<'a.b,c'", "FROM no:1", "a.b,c")]
    [InlineData("RUN cat <<E\"O\"\\F", "FROM no:1", "\"EOF\"", "EOF")]
    [InlineData("RUN cat <<  EOF > /x", "FROM no:1", "EOF")]
    [InlineData("RUN 3<<EOF 4<<-\"EOT\" cmd", "FROM no:1", "\tEOF", "EOF", "FROM no:2", "\t\tEOT")]
    [InlineData("COPY <<$X <<Y /x/", "Y", "FROM no:1", "$X", "$X", "Y")]
    [InlineData("onbuild run <<1", "FROM no:1", "1")]
    [InlineData("RUN cat <<EOF", "EOF ", " EOF", "FROM no:1", "EOF\r")]
    public void Dockerfile_WithAHereDocument_IsReadOnBehindItsEnd(params string[] lines)
    {
        var found = Read(string.Join('\n', [.. lines, "FROM b:1"]));

        Assert.Equal(["b:1"], found.Images.Select(image => image.Reference));
        Assert.Empty(found.Problems);
    }

    [Theory]
    [InlineData("RUN cat <<EOF\nFROM b:1\n\tEOF", "EOF")]
    [InlineData("RUN cat <<A <<-\"B C\"\nFROM no:1\nA\nFROM b:1", "B C")]
    [InlineData("COPY a b\nRUN cat <<EOF; true\nEOF\nFROM b:1", "EOF;", 2)]
    public void Dockerfile_WithAHereDocumentThatHasNoEnd_NamesItAndLosesNoImage(string text, string name, int line = 1)
    {
        var found = Read(text);

        Assert.Equal(["b:1"], found.Images.Select(image => image.Reference));
        Assert.Equal([$"Dockerfile:{line}: the here-document '{name}' has no end: no line is '{name}' alone"], found.Problems);
    }

    private static FoundImages Read(string text) => ImageFile.Read("Dockerfile", text, null, _ => null, NoFile);

    private static string? NoFile(string path, out string problem)
    {
        problem = "there is no such file";
        return null;
    }
}
