namespace Entrepot.Oci;

/// <summary>Why something that an administrator asked for was not done. An immutable value: an answer, not a fault.</summary>
/// <param name="Status">HTTP status code.</param>
/// <param name="Message">One line: what is wrong, and what is allowed or what to do.</param>
/// <param name="ShortBytes">Bytes on disk that were missing, where that is what is wrong; otherwise 0.</param>
public sealed record Objection(int Status, string Message, long ShortBytes = 0);
