using Entrepot.Upstream;

namespace Entrepot.Server.Options;

/// <summary>Reads an upstream's <c>accounts</c>: each entry, and what holds within and between entries. Pure.</summary>
internal static class AccountList
{
    private const int Most = 16;

    private static readonly UpstreamAccount Blank = new("", null, null);

    /// <summary>The options with the listed accounts.</summary>
    public static UpstreamOptions Apply(OptionSpec spec, UpstreamOptions options, RawNode node, string path, List<Problem> problems)
    {
        if (node is not RawList list)
        {
            problems.Add(spec.Refuse(node, path, $"is {node.Kind} where a list belongs"));
            return options;
        }

        if (list.Items.Count > Most) problems.Add(spec.Refuse(node, path, $"has {list.Items.Count} entries"));
        var accounts = new List<UpstreamAccount>();
        for (var i = 0; i < list.Items.Count; i++)
            if (Read(spec, list.Items[i], $"{path}[{i}]", accounts, problems) is { } account) accounts.Add(account);
        return options with { Accounts = accounts };
    }

    /// <summary>What has to be together, and what cannot be, of one account.</summary>
    public static void Check(RawMap map, string path, List<Problem> problems)
    {
        var hasName = map.Has("username", out var name);
        var hasPassword = map.Has("password", out var password);
        var hasFile = map.Has("passwordFile", out var file);

        if (hasPassword && hasFile) Refuse(file!, "passwordFile", "cannot be together with password; give one of them");
        if (hasPassword && !hasName) Refuse(password!, "password", "needs a username");
        if (hasFile && !hasName) Refuse(file!, "passwordFile", "needs a username");
        if (hasName && !hasPassword && !hasFile) Refuse(name!, "username", "needs password or passwordFile");

        void Refuse(RawNode node, string key, string what) => problems.Add(new(node.Origin, $"{path}.{key}", what));
    }

    private static UpstreamAccount? Read(OptionSpec spec, RawNode node, string path, List<UpstreamAccount> earlier, List<Problem> problems)
    {
        if (node is not RawMap map)
        {
            problems.Add(spec.Refuse(node, path, node is RawNull ? "is empty" : $"is {node.Kind} where a group of options belongs"));
            return null;
        }

        var account = OptionWalk.Apply(OptionTable.Account, map, Blank, path + '.', problems);
        Check(map, path, problems);
        if (!map.Has("username", out var name) && !map.Has("password", out _) && !map.Has("passwordFile", out _))
            problems.Add(new(map.Origin, path + ".username", "is missing; every account has a username, and password or passwordFile"));
        if (account.Username.Length > 0 && earlier.Exists(other => other.Username == account.Username))
            problems.Add(new(name!.Origin, path + ".username", $"{Problem.Quote(account.Username)} is given twice; each account has a budget of its own"));
        return account;
    }
}
