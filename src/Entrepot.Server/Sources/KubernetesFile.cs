namespace Entrepot.Server.Sources;

/// <summary>Finds the images of everything in Kubernetes manifests that has a pod's specification, whatever its kind. Pure.</summary>
/// <remarks>A pod's specification is known by its <c>containers</c>, so that kinds which nobody has heard of are read, too. Data, annotations and status are not looked at.</remarks>
internal static class KubernetesFile
{
    private const int MaxDepth = 100;   // what aliases nest more deeply is no manifest

    private static readonly string[] Containers = ["containers", "initContainers", "ephemeralContainers"];
    private static readonly HashSet<string> NotLookedAt = ["metadata", "data", "stringData", "binaryData", "status"];
    private static readonly HashSet<string> WithoutPods = ["ConfigMap", "Secret", "CustomResourceDefinition"];

    /// <summary>Reads whole manifests: any number of documents, in any style.</summary>
    public static void Read(string text, FoundImages found)
    {
        var seen = new HashSet<YamlValue>(ReferenceEqualityComparer.Instance);   // what has many aliases is looked at once
        foreach (var document in YamlDocuments.Read(text, found.Refuse)) Look(document, MaxDepth, seen, found);
    }

    private static void Look(YamlValue value, int depth, HashSet<YamlValue> seen, FoundImages found)
    {
        if (depth == 0 || value is YamlText || !seen.Add(value)) return;
        if (value is YamlList list)
        {
            foreach (var item in list.Items) Look(item, depth - 1, seen, found);
            return;
        }

        var map = (YamlMap)value;
        if (map.FindText("kind") is { Text: { } kind } && map.FindText("apiVersion") is not null && WithoutPods.Contains(kind)) return;
        if (map.Find("containers") is YamlList) ReadPod(map, found);
        foreach (var (key, entry) in map.Entries)
            if (!NotLookedAt.Contains(key) && !Containers.Contains(key)) Look(entry, depth - 1, seen, found);
    }

    private static void ReadPod(YamlMap pod, FoundImages found)
    {
        foreach (var container in Containers.Select(pod.Find).OfType<YamlList>().SelectMany(list => list.Items).OfType<YamlMap>())
            if (container.FindText("image") is { } image) found.Add(image.Text!.Trim());
        foreach (var volume in (pod.Find("volumes") as YamlList)?.Items.OfType<YamlMap>() ?? [])
            if (volume.Find("image") is YamlMap image && image.FindText("reference") is { } reference) found.Add(reference.Text!.Trim());
    }
}
