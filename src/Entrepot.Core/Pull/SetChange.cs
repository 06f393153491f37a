using Entrepot.Oci;

namespace Entrepot.Pull;

/// <summary>What a set of images keeps. An immutable value.</summary>
/// <param name="Set">The set's name.</param>
/// <param name="Reference">A tag, or a manifest by digest.</param>
/// <param name="Digest">The manifest that it means.</param>
public readonly record struct SetMember(string Set, Reference Reference, Digest Digest);

/// <summary>A change of sets, and of the names that come and go with it: all of it or nothing. Immutable. Nothing is both brought and taken away.</summary>
public sealed record SetChange
{
    /// <summary>Manifests that repositories have from now on, and their media types.</summary>
    public IReadOnlyCollection<KeyValuePair<Reference, string>> Manifests { get; init; } = [];

    /// <summary>What refers to manifests from now on; the lists are stored already.</summary>
    public IReadOnlyCollection<KeyValuePair<Reference, ReferrersRecord>> Referrers { get; init; } = [];

    /// <summary>What sets keep from now on, or what it means from now on.</summary>
    public IReadOnlyCollection<SetMember> Kept { get; init; } = [];

    /// <summary>What sets do not keep any more; unknown ones are ignored.</summary>
    public IReadOnlyCollection<(string Set, Reference Reference)> Dropped { get; init; } = [];

    /// <summary>Tags that are gone; unknown ones are ignored.</summary>
    public IReadOnlyCollection<Reference> GoneTags { get; init; } = [];

    /// <summary>What tags mean from now on.</summary>
    public IReadOnlyCollection<KeyValuePair<Reference, TagRecord>> Tags { get; init; } = [];
}
