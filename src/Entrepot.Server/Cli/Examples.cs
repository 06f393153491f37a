namespace Entrepot.Server.Cli;

/// <summary>What help shows besides the flags: each command in use.</summary>
internal static class Examples
{
    /// <summary>For the program itself.</summary>
    public const string Root = """
          entrepot
              Serves on port 5000 and stores under ./data; nothing else is needed.
          entrepot serve --config /etc/entrepot/entrepot.yaml --storage.root /srv/entrepot
              Takes the options from a file, and one of them from the command line.
          entrepot status
              Tells what is wrong with the running server, if anything, and how full and how useful it is.

        Options can also be set in the environment: ENTREPOT_STORAGE__ROOT is --storage.root.
        """;

    /// <summary>By the command's name.</summary>
    public static IEnumerable<KeyValuePair<string, string>> All =>
    [
        new("serve", Root),
        new("status", """
              entrepot status
                  What is wrong comes first; then storage, hit ratio, upstreams with their rate limits, and running fetches.
              entrepot status --server http://cache.example.com:5001 --output json
                  Asks another machine, whose option 'admin' has to allow it, and answers as JSON.
            """),
        new("list", """
              entrepot list
                  Everything that is cached.
              entrepot list 'ghcr.io/org/*'
                  What matches; quotes keep the shell from reading the star.
              entrepot list alpine --output json | jq -r '.images[].blobs[]'
                  The digests of one image's blobs. 'alpine' is docker.io/library/alpine:latest, as Docker has it.
            """),
        new("refresh", """
              entrepot refresh ghcr.io/org/app:main
                  After a push: the next pull gets the new image, however long the tag would have stayed fresh.
              entrepot refresh 'docker.io/library/*'
                  Asks for every tag that is cached and matches.
            """),
        new("pin", """
              entrepot pin alpine:3.20
                  Keeps the image, which has to be cached, whatever else comes. What does not fit in the quota is refused.
              entrepot pin 'registry.k8s.io/*' ghcr.io/org/app:stable
                  Keeps everything that matches, and one more.
            """),
        new("unpin", """
              entrepot unpin alpine:3.20
                  The image stays until something else needs its room.
              entrepot unpin '*'
                  Nothing is pinned any more.
            """),
        new("remove", """
              entrepot remove ghcr.io/org/app:broken
                  Forgets the tag and frees what no other image uses. The next pull fetches it again.
              entrepot remove 'quay.io/*'
                  Forgets everything that matches; pinned images are refused.
              entrepot remove --set site
                  Forgets what 'bundle import --set site' brought, but for what another set or pin keeps.
            """),
        new("warm", """
              entrepot warm alpine:3.20 ghcr.io/org/app:main --platform linux/amd64
                  Fetches two images for one platform, with their signatures and SBOMs. Run it again: what is stored is not fetched again.
              entrepot warm --from compose.yaml --from k8s/ingress.yaml --pin
                  Everything that these files name, and keeps it.
              helm template my-chart | entrepot warm --from - --dry-run
                  Says what would be fetched, and how many requests that a rate limit counts it would take.
            """),
        new("verify", """
              entrepot verify
                  Shows how far it is; Ctrl-C ends it.
              entrepot verify --output json | tail -n 1 | jq '.wrong | length'
                  The number of blobs that were wrong.
            """),
        new("import", """
              entrepot bundle import site.tar --set site
                  Afterwards engines pull the images by their own names, and no registry is asked. Imported again, the set is replaced.
              entrepot bundle import /media/*.tar --key site.pub.pem
                  Parts and deltas in any order; what is not signed by that key, or was changed since, is refused.
              skopeo copy docker://alpine:3.20 oci-archive:alpine.tar && entrepot bundle import alpine.tar --name docker.io/library/alpine:3.20
                  An archive of another program, which does not say what its image is called.
            """),
        new("export", """
              entrepot bundle export -o site.tar alpine:3.20 ghcr.io/org/app:1.4
                  Writes both images into an archive, and beside it the receipt site.receipt.json.
              entrepot bundle export -o delta.tar --since site.receipt.json alpine:3.20 ghcr.io/org/app:1.5
                  Leaves out what the earlier archive brought.
              entrepot bundle export -o site.tar --max-size 4GB --platform linux/amd64 'ghcr.io/org/*'
                  Writes site.001.tar and so on, of one platform, with all that is cached and matches.
            """),
        new("check", """
              entrepot config check
                  The options as the server would have them if it started now, in this environment.
              entrepot config check --config new.yaml && sudo cp new.yaml /etc/entrepot/entrepot.yaml
                  Takes a file over only if there is nothing wrong with it.
            """),
    ];
}
