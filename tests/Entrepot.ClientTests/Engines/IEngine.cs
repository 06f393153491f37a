using Entrepot.ClientTests.Images;

namespace Entrepot.ClientTests.Engines;

/// <summary>A real container engine, or another program that pulls, whose mirror of Docker Hub is the appliance.</summary>
internal interface IEngine : IAsyncDisposable
{
    /// <summary>Pulls an image of Docker Hub and checks that what it then holds is what was pushed.</summary>
    /// <param name="image">Not there yet.</param>
    /// <param name="architecture">Of which platform; this machine's if <see langword="null"/>, or all where that is the program's habit.</param>
    /// <exception cref="InvalidOperationException">The engine says that it could not pull.</exception>
    Task PullAsync(TestImage image, string? architecture = null);

    /// <summary>Removes an image with everything that a later pull could do without asking for.</summary>
    Task RemoveAsync(TestImage image);
}
