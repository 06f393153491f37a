namespace Entrepot.Upstream;

/// <summary>The hosts that an upstream redirects to, each with a circuit of its own. Safe for concurrent use.</summary>
/// <remarks>
/// How they stand says nothing of the upstream itself: one whose content network is down still has its manifests. It may name as many hosts as it likes, so
/// the one that was not asked for longest is forgotten, and with it that it was found dead.
/// </remarks>
/// <param name="make">Makes what stands for a host.</param>
internal sealed class RedirectHosts(Func<Uri, Endpoint> make)
{
    /// <summary>Most hosts that are remembered: registries have a few, also where each region or bucket has its own.</summary>
    internal const int Most = 64;

    private readonly Lock _gate = new();
    private readonly Dictionary<string, LinkedListNode<(string Name, Endpoint Host)>> _places = [];   // guarded by _gate, like the next
    private readonly LinkedList<(string Name, Endpoint Host)> _order = new();                         // the one asked last comes first

    /// <summary>The host of an address that an answer named.</summary>
    public Endpoint Of(Uri address)
    {
        // Without what may be secret of it: who it is for, and the signature.
        var name = address.GetComponents(UriComponents.SchemeAndServer, UriFormat.UriEscaped);
        lock (_gate)
        {
            if (_places.TryGetValue(name, out var place))
            {
                _order.Remove(place);
            }
            else
            {
                if (_places.Count == Most) ForgetLocked(_order.Last!);
                place = new((name, make(new Uri(name))));
                _places.Add(name, place);
            }

            _order.AddFirst(place);
            return place.Value.Host;
        }
    }

    private void ForgetLocked(LinkedListNode<(string Name, Endpoint Host)> place)
    {
        _places.Remove(place.Value.Name);
        _order.Remove(place);
    }
}
