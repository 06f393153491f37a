using System.Diagnostics.CodeAnalysis;

namespace Entrepot.Oci;

/// <summary>What was asked for, or the error that a client is to be told. Exactly one of the two is there.</summary>
/// <remarks>An immutable value; <c>default</c> is neither and is never handed out.</remarks>
[SuppressMessage("Usage", "CA2225", Justification = "Constructors are the named alternative of the conversions.")]
public readonly record struct Answer<T> where T : class
{
    /// <summary>The content.</summary>
    public Answer(T value) => Value = value;

    /// <summary>An error instead of the content.</summary>
    public Answer(RegistryError error) => Error = error;

    /// <summary>The content; <see langword="null"/> if there is an error.</summary>
    public T? Value { get; }

    /// <summary>The error; <see langword="null"/> if there is content.</summary>
    public RegistryError? Error { get; }

    /// <summary>Tells which of the two it is.</summary>
    public bool Has([NotNullWhen(true)] out T? value, [NotNullWhen(false)] out RegistryError? error)
    {
        (value, error) = (Value, Error);
        return value is not null;
    }

    /// <summary>Content is an answer.</summary>
    public static implicit operator Answer<T>(T value) => new(value);

    /// <summary>An error is an answer.</summary>
    public static implicit operator Answer<T>(RegistryError error) => new(error);
}
