using FASTER.core;

namespace Entrepot.Storage.Index;

/// <summary>What a checkpoint of one table consists of: two files and, in memory, what FASTER has to know of them.</summary>
/// <param name="Token">The checkpoint's name.</param>
/// <param name="TableInfo">What FASTER says of the hash table's file.</param>
/// <param name="LogInfo">What FASTER says of the log's file.</param>
/// <param name="Count">Rows.</param>
internal sealed record TableCheckpoint(Guid Token, byte[] TableInfo, byte[] LogInfo, long Count);

/// <summary>Names and opens the files of a table's checkpoints: <c>name-token.table</c> and <c>name-token.log</c>.</summary>
/// <remarks>Called by FASTER from any thread, for one checkpoint at a time.</remarks>
internal sealed class CheckpointFiles(string directory, string name) : ICheckpointManager
{
    private TableCheckpoint? _recovering;

    /// <summary>What failed since <see cref="Begin"/>; <see langword="null"/> if nothing did.</summary>
    public Exception? Fault { get; private set; }

    private byte[] TableInfo { get; set; } = [];

    private byte[] LogInfo { get; set; } = [];

    /// <summary>Forgets what failed before.</summary>
    public void Begin() => Fault = null;

    /// <summary>The files of a checkpoint, by their names in the directory.</summary>
    public IEnumerable<string> Files(Guid token) => [Table(token), Log(token)];

    /// <summary>The checkpoint that was made last.</summary>
    public TableCheckpoint Made(Guid token, long count) => new(token, TableInfo, LogInfo, count);

    /// <summary>The checkpoint that will be asked for.</summary>
    public void Recover(TableCheckpoint checkpoint) => _recovering = checkpoint;

    public void InitializeIndexCheckpoint(Guid indexToken) { }

    public void InitializeLogCheckpoint(Guid logToken) { }

    public void CommitIndexCheckpoint(Guid indexToken, byte[] commitMetadata) => TableInfo = commitMetadata;

    public void CommitLogCheckpoint(Guid logToken, byte[] commitMetadata) => LogInfo = commitMetadata;

    public void CheckpointVersionShift(long oldVersion, long newVersion) { }

    public byte[] GetIndexCheckpointMetadata(Guid indexToken) => _recovering!.TableInfo;

    public byte[] GetLogCheckpointMetadata(Guid logToken, DeltaLog deltaLog, bool scanDelta = false, long recoverTo = -1) => _recovering!.LogInfo;

    public IEnumerable<Guid> GetIndexCheckpointTokens() => GetLogCheckpointTokens();

    public IEnumerable<Guid> GetLogCheckpointTokens() => _recovering is { } checkpoint ? [checkpoint.Token] : [];

    public IDevice GetIndexDevice(Guid indexToken) => Open(Table(indexToken));

    public IDevice GetSnapshotLogDevice(Guid token) => Open(Log(token));

    /// <summary>Rows have no objects.</summary>
    public IDevice GetSnapshotObjectLogDevice(Guid token) => new NullDevice();

    /// <summary>Checkpoints are whole: there are no increments.</summary>
    public IDevice? GetDeltaLogDevice(Guid token) => null;

    public void CommitLogIncrementalCheckpoint(Guid logToken, long version, byte[] commitMetadata, DeltaLog deltaLog) =>
        throw new NotSupportedException("checkpoints are whole");

    /// <summary>The index removes what is outdated, once the new checkpoint is sealed.</summary>
    public void Purge(Guid token) { }

    public void PurgeAll() { }

    public void OnRecovery(Guid indexToken, Guid logToken) { }

    public void Dispose() { }

    private string Table(Guid token) => $"{name}-{token:N}.table";

    private string Log(Guid token) => $"{name}-{token:N}.log";

    private CheckpointDevice Open(string file) => new(Path.Combine(directory, file), fault => Fault ??= fault);
}
