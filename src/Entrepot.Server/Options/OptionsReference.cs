using System.Text;

namespace Entrepot.Server.Options;

/// <summary>The options' reference page, made from the table of options so that it cannot say anything else. Pure.</summary>
internal static class OptionsReference
{
    private const string Introduction = """
        # Options

        This page is printed by `entrepot options`; change the table in the source, not this file.

        Options come from a YAML file (`--config`, otherwise `/etc/entrepot/entrepot.yaml` if it exists), overridden by the
        environment, overridden by flags. Unknown keys and bad values are refused at start, all together, each on a line of its own.

        - **File**: dots are levels. `storage.root` is the key `root` under the key `storage`. An empty value leaves the default.
        - **Environment**: `ENTREPOT_` and the path with `__` for each dot, in any case: `ENTREPOT_STORAGE__ROOT`. Lists are separated
          by commas, or given by position: `ENTREPOT_LISTEN__0`, `ENTREPOT_UPSTREAMS__0__USERNAME`. An empty variable counts as
          not set; an unknown name is a warning.
        - **Flags**: the path, `--storage.root`. Lists are repeated or separated by commas. Upstreams and `warm` have no flags.
        - **Sizes**: `B`, `KB`, `MB`, `GB`, `TB` are powers of 1000; `KiB`, `MiB`, `GiB`, `TiB` are powers of 1024; a plain number is
          bytes. **Rates** are a size and `/s`. **Durations** have the unit `ms`, `s`, `m` or `h`. Fractions such as `1.5GiB` are fine.


        """;

    private const string Warm = """

        ## Schedules of warming

        `warm` is a list, e.g. `warm: [{ from: images.txt, every: 6h }]`.


        """;

    private const string Upstreams = """

        ## Upstreams

        `upstreams` is a list. An entry takes the place of the well-known registry of the same name; those that are not listed
        stay as they are.


        """;

    private const string Accounts = """

        ### Accounts of an upstream

        `accounts` is a list, e.g. `accounts: [{ username: ci, passwordFile: /run/secrets/ci }, { username: prod, passwordFile: /run/secrets/prod }]`.


        """;

    private const string Tags = """

        ### Tags of an upstream

        `tags` is a list of patterns of tags that stay fresh for another time than `tagTtl`, e.g. `tags: [{ match: "v*", tagTtl: unlimited }]`.
        A tag is held against them in their order.


        """;

    /// <summary>The whole page as Markdown, ending in a newline.</summary>
    public static string Markdown()
    {
        var page = new StringBuilder(Introduction);
        Table(page, OptionTable.All);
        page.Append(Warm);
        Table(page, OptionTable.Warm);
        page.Append(Upstreams);
        Table(page, OptionTable.Upstream);
        page.Append(Accounts);
        Table(page, OptionTable.Account);
        page.Append(Tags);
        Table(page, OptionTable.Tag);
        return page.ToString();
    }

    private static void Table(StringBuilder page, IEnumerable<OptionSpec> specs)
    {
        page.Append("| option | value | allowed | default | what it does |\n| --- | --- | --- | --- | --- |\n");
        foreach (var spec in specs)
        {
            var kind = spec.IsList ? $"list of {spec.Kind}" : spec.Kind;
            page.Append($"| `{spec.Path}` | {kind} | {spec.Allowed} | {spec.Default} | {spec.Summary} |\n");
        }
    }
}
