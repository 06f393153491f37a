using FASTER.core;

namespace Entrepot.Storage.Index;

/// <summary>A change of one row, made under the row's lock. It may be tried more than once.</summary>
internal interface IRowChange<TRow> where TRow : unmanaged
{
    /// <summary>The row for a key that has none.</summary>
    /// <returns><see langword="false"/> if there shall be none.</returns>
    bool TryCreate(out TRow row);

    /// <summary>Changes the row that a key has.</summary>
    /// <returns><see langword="false"/> if the key shall have none.</returns>
    bool TryApply(ref TRow row);
}

/// <summary>How FASTER reads and changes rows.</summary>
internal sealed class RowFunctions<TRow, TChange> : FunctionsBase<RowKey, TRow, TChange, TRow, Empty>
    where TRow : unmanaged
    where TChange : struct, IRowChange<TRow>
{
    public override bool SingleReader(ref RowKey key, ref TChange input, ref TRow value, ref TRow dst, ref ReadInfo readInfo)
    {
        dst = value;
        return true;
    }

    public override bool ConcurrentReader(ref RowKey key, ref TChange input, ref TRow value, ref TRow dst, ref ReadInfo readInfo)
    {
        dst = value;
        return true;
    }

    public override bool NeedInitialUpdate(ref RowKey key, ref TChange input, ref TRow output, ref RMWInfo rmwInfo) => input.TryCreate(out _);

    public override bool InitialUpdater(ref RowKey key, ref TChange input, ref TRow value, ref TRow output, ref RMWInfo rmwInfo)
    {
        var isThere = input.TryCreate(out value);
        output = value;
        return isThere;
    }

    public override bool InPlaceUpdater(ref RowKey key, ref TChange input, ref TRow value, ref TRow output, ref RMWInfo rmwInfo) =>
        Apply(ref input, ref value, ref output, ref rmwInfo);

    public override bool CopyUpdater(ref RowKey key, ref TChange input, ref TRow oldValue, ref TRow newValue, ref TRow output, ref RMWInfo rmwInfo)
    {
        newValue = oldValue;
        return Apply(ref input, ref newValue, ref output, ref rmwInfo);
    }

    private static bool Apply(ref TChange input, ref TRow value, ref TRow output, ref RMWInfo rmwInfo)
    {
        if (!input.TryApply(ref value))
        {
            rmwInfo.Action = RMWAction.ExpireAndStop;
            return false;
        }

        output = value;
        return true;
    }
}
