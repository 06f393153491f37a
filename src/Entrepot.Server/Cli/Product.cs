using System.Reflection;

namespace Entrepot.Server.Cli;

/// <summary>What the program is called and which one it is.</summary>
internal static class Product
{
    /// <summary>The version without build metadata, e.g. <c>0.1.0</c>.</summary>
    public static string Version { get; } =
        typeof(Product).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion.Split('+')[0];
}

/// <summary>How the process ends.</summary>
internal static class ExitStatus
{
    /// <summary>It did what it was asked.</summary>
    public const int Fine = 0;

    /// <summary>It could not; the error output says why. Also after a second signal.</summary>
    public const int Failed = 1;

    /// <summary>The command line cannot be understood.</summary>
    public const int Usage = 2;
}
