using System.CommandLine;

namespace Entrepot.Server.Cli.Bundles;

/// <summary><c>bundle</c>: images in files, for sites without a way out.</summary>
internal static class BundleCommand
{
    /// <summary>The command.</summary>
    public static Command Create(ServerFlags server)
    {
        var bundle = new Command("bundle", "Carries images in files to where no registry can be reached.") { BundleExportCommand.Create(server), ImportCommand.Create(server) };
        server.AllowBehind(bundle);
        return bundle;
    }
}
