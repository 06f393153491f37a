using System.Text.RegularExpressions;
using Entrepot.ClientTests.Images;
using Entrepot.ClientTests.Kit;

namespace Entrepot.ClientTests.AirGap;

/// <summary>What <c>bundle import</c> prints for the machines of a site is copied as it stands, at an address that engines do not take for their own.</summary>
public sealed partial class PrintedHintsTests
{
    private const string Address = "10.98.76.54";

    [ClientFact]
    public async Task WhatImportPrints_GivenToEngines_IsAllThatTheyNeed()
    {
        var (hub, other) = (SampleImages.Named("library/five"), SampleImages.Named("org/app"));
        await Tool.RunAsync("ip", ["address", "replace", $"{Address}/32", "dev", "lo"]);
        try
        {
            await using var far = await FarSite.StartAsync(nameof(WhatImportPrints_GivenToEngines_IsAllThatTheyNeed), address: Address);
            await LayoutFolder.WriteAsync(far.File("site"), [hub], "docker.io");
            await LayoutFolder.WriteAsync(far.File("more"), [other], "quay.io");

            var printed = await far.ImportAsync(far.File("site"), far.File("more"));

            var dockerd = await far.StartDockerdAsync(Section(printed, "/etc/docker/daemon.json"));
            await dockerd.PullAsync(hub);
            await dockerd.RunAsync("pull", "--quiet", $"{hub.Repository}@{hub.Root.Digest}");
            var name = DockerPull().Match(printed).Groups["name"].Value;
            Assert.Equal($"{far.Entrepot.Host}/quay.io/{other}", name);
            await dockerd.RunAsync("pull", "--quiet", name);
            var containerd = await far.StartContainerdAsync(Section(printed, "/etc/containerd/certs.d/_default/hosts.toml"));
            await containerd.PullAsync(hub);
            await containerd.PullAsync(other, "quay.io", null);
            var skopeo = far.SkopeoWith(Section(printed, "/etc/containers/registries.conf.d/entrepot.conf"));
            await skopeo.CopyAsync(hub);
            await skopeo.CopyAsync(other, "quay.io");
        }
        finally
        {
            await Tool.RunAsync("ip", ["address", "del", $"{Address}/32", "dev", "lo"]);
        }
    }

    // What stands below the line that names the file, up to the next empty line.
    private static string Section(string printed, string file)
    {
        var lines = printed.Split('\n').SkipWhile(line => !line.StartsWith($"# {file} ", StringComparison.Ordinal)).Skip(1).TakeWhile(line => line.Length > 0).ToList();
        Assert.NotEmpty(lines);
        return string.Join('\n', lines) + '\n';
    }

    [GeneratedRegex("docker pull (?<name>\\S+)")]
    private static partial Regex DockerPull();
}
