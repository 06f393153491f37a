namespace Entrepot.Server.Cli.Bundles;

/// <summary>A file that cannot be imported; the message names it, and says what is wrong and what to do, in one line.</summary>
internal sealed class ArchiveException(string message, Exception? inner = null) : Exception(message, inner);
