namespace Entrepot.Server.Cli;

/// <summary>A server did not do what it was asked; the message is the one line for whoever asked.</summary>
/// <param name="message">What is wrong and what to do.</param>
/// <param name="isRefusal">
/// Whether the server said so, in which case it can be asked for something else; otherwise it cannot be talked to.
/// </param>
internal sealed class AdminException(string message, bool isRefusal = false) : Exception(message)
{
    /// <summary>Whether the server answered and refused.</summary>
    public bool IsRefusal => isRefusal;
}
