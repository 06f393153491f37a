using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;

namespace Entrepot.Tests.Architecture;

/// <summary>A type, and one of its members, that an assembly uses.</summary>
/// <param name="Namespace">The type's namespace.</param>
/// <param name="Type">Its name.</param>
/// <param name="Member">The member; empty where the type itself is meant.</param>
internal readonly record struct Use(string Namespace, string Type, string Member)
{
    public override string ToString() => Member.Length > 0 ? $"{Namespace}.{Type}.{Member}" : $"{Namespace}.{Type}";
}

/// <summary>What a compiled assembly may use.</summary>
internal static class AssemblyRules
{
    // Streams are what ports speak of; their faults are what callers catch.
    private static readonly string[] AllowedOfIO = ["Stream", "IOException", "InvalidDataException", "EndOfStreamException", "SeekOrigin"];

    /// <summary>Uses that have no place where no file, socket, HTTP or console is reached. Pure.</summary>
    public static IEnumerable<Use> Forbidden(IEnumerable<Use> uses) => uses.Where(use => use switch
    {
        { Namespace: "System.IO" } => !AllowedOfIO.Contains(use.Type),
        { Namespace: "System", Type: "Console" } => true,
        // Iterators ask for their thread; everything else that the environment tells has to be passed in.
        { Namespace: "System", Type: "Environment" } => use.Member is not ("" or "get_CurrentManagedThreadId"),
        { Namespace: "System.Diagnostics", Type: "Process" } => true,
        { Namespace: var space } => IsWithin(space, "System.Net") || IsWithin(space, "Microsoft") || IsWithin(space, "System.IO.MemoryMappedFiles"),
    });

    /// <summary>All types outside an assembly that it uses, and all their members.</summary>
    public static IReadOnlyList<Use> UsesOf(string path)
    {
        using var file = new PEReader(File.OpenRead(path));
        var reader = file.GetMetadataReader();
        var types = reader.TypeReferences.Select(handle => Of(reader, handle, ""));
        var members = reader.MemberReferences.Select(reader.GetMemberReference)
            .Where(member => member.Parent.Kind == HandleKind.TypeReference)
            .Select(member => Of(reader, (TypeReferenceHandle)member.Parent, reader.GetString(member.Name)));
        return [.. types, .. members];
    }

    private static Use Of(MetadataReader reader, TypeReferenceHandle handle, string member)
    {
        var type = reader.GetTypeReference(handle);
        return new Use(reader.GetString(type.Namespace), reader.GetString(type.Name), member);
    }

    private static bool IsWithin(string space, string parent) => space == parent || space.StartsWith(parent + '.', StringComparison.Ordinal);
}
