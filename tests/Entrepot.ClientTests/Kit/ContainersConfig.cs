namespace Entrepot.ClientTests.Kit;

/// <summary>What podman, buildah and skopeo are configured by: <c>deploy/registries.conf</c>, and files that keep them in their folder.</summary>
internal sealed class ContainersConfig
{
    private readonly string _folder;

    /// <summary>Writes the files.</summary>
    /// <param name="folder">Where they and the storage lie.</param>
    /// <param name="mirror">The mirror, <c>address:port</c>, spoken to in plain HTTP.</param>
    /// <param name="registries">Another registries.conf; <see langword="null"/> for the example's.</param>
    public ContainersConfig(string folder, string mirror, string? registries = null)
    {
        _folder = Directory.CreateDirectory(folder).FullName;
        File.WriteAllText(Policy, """{"default":[{"type":"insecureAcceptAnything"}]}""");
        File.WriteAllText(Accounts, "{}");
        File.WriteAllText(Registries, registries ?? $"""
            {RepositoryFile.ReadExample("deploy/registries.conf", mirror)}
            [[registry]]
            location = "{mirror}"
            insecure = true
            """);

        // "vfs" works on any file system.
        File.WriteAllText(Storage, $"""
            [storage]
            driver = "vfs"
            graphroot = "{folder}/storage"
            runroot = "{folder}/run"
            """);
    }

    /// <summary>Whose signatures are wanted: nobody's.</summary>
    public string Policy => Path.Combine(_folder, "policy.json");

    /// <summary>No accounts.</summary>
    public string Accounts => Path.Combine(_folder, "auth.json");

    /// <summary>The mirrors.</summary>
    public string Registries => Path.Combine(_folder, "registries.conf");

    /// <summary>What tells the programs of these files.</summary>
    public (string Name, string Value)[] Environment =>
    [
        ("CONTAINERS_REGISTRIES_CONF", Registries), ("CONTAINERS_STORAGE_CONF", Storage), ("REGISTRY_AUTH_FILE", Accounts), ("TMPDIR", _folder), ("HOME", _folder),
    ];

    private string Storage => Path.Combine(_folder, "storage.conf");
}
