using System.Collections.Concurrent;
using Entrepot.Oci;
using Entrepot.Pull;

namespace Entrepot.Storage.Index;

/// <summary>What administrators and sets keep, with the line of the record log that says so. Safe for concurrent use; changed by the log's task alone.</summary>
internal sealed class PinTable
{
    // In place of a set's name: pinned by an administrator.
    private const string Own = "";

    private readonly ConcurrentDictionary<(string Set, Reference Reference), (Digest Manifest, long Line)> _pins = new();

    /// <summary>What administrators pinned; a snapshot.</summary>
    public IReadOnlyDictionary<Reference, Digest> Pins() =>
        _pins.Where(pin => pin.Key.Set.Length == 0).ToDictionary(pin => pin.Key.Reference, pin => pin.Value.Manifest);

    /// <summary>What sets keep, by their names; a snapshot.</summary>
    public IReadOnlyDictionary<string, IReadOnlyDictionary<Reference, Digest>> Sets() =>
        _pins.Where(pin => pin.Key.Set.Length > 0).GroupBy(pin => pin.Key.Set).ToDictionary(
            set => set.Key, IReadOnlyDictionary<Reference, Digest> (set) => set.ToDictionary(pin => pin.Key.Reference, pin => pin.Value.Manifest));

    /// <summary>The records of pins, but for what is known already.</summary>
    public IEnumerable<Record> Setting(IEnumerable<KeyValuePair<Reference, Digest>> pins) => Keeping(pins.Select(pin => new SetMember(Own, pin.Key, pin.Value)));

    /// <summary>The records that take pins away, of those that are there.</summary>
    public IEnumerable<Record> Removing(IEnumerable<Reference> pins) => Dropping(pins.Select(pin => (Own, pin)));

    /// <summary>The records of what sets keep, but for what is known already.</summary>
    public IEnumerable<Record> Keeping(IEnumerable<SetMember> members) => members
        .Where(one => !_pins.TryGetValue((one.Set, one.Reference), out var known) || known.Manifest != one.Digest)
        .Select(one => Record.Of(RecordKind.Pin, one.Reference, one.Digest, set: one.Set.Length > 0 ? one.Set : null));

    /// <summary>The records of what sets do not keep any more, of what they keep.</summary>
    public IEnumerable<Record> Dropping(IEnumerable<(string Set, Reference Reference)> members) => members
        .Where(_pins.ContainsKey).Select(one => Record.Of(RecordKind.Unpin, one.Reference, set: one.Set.Length > 0 ? one.Set : null));

    /// <summary>Takes a record over.</summary>
    public void Apply(Record record, long line)
    {
        if (record.Kind is RecordKind.Pin) _pins[KeyOf(record)] = (Digest.Parse(record.Digest!), line);
        else _pins.TryRemove(KeyOf(record), out _);
    }

    /// <summary>Whether no later line was about the same.</summary>
    public bool IsLive(Record record, long line) => _pins.TryGetValue(KeyOf(record), out var pin) && pin.Line == line;

    private static (string Set, Reference Reference) KeyOf(Record record) => (record.Set ?? Own, record.Reference);
}
