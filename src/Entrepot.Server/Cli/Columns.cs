using System.Text;

namespace Entrepot.Server.Cli;

/// <summary>Texts under each other. Pure.</summary>
internal static class Columns
{
    private const string Gap = "  ";

    /// <summary>A line for each row, in which every column is as wide as its widest text; nothing is cut, no line ends in spaces.</summary>
    /// <param name="rows">Rows of equal length.</param>
    /// <param name="indent">What each line begins with.</param>
    /// <param name="right">Which columns, from 0, stand to the right, as numbers do.</param>
    public static string Text(IReadOnlyList<string[]> rows, string indent = "", params int[] right)
    {
        if (rows.Count == 0) return "";
        var widths = Enumerable.Range(0, rows[0].Length).Select(column => rows.Max(row => row[column].Length)).ToArray();
        var text = new StringBuilder();
        foreach (var row in rows)
        {
            var cells = row.Select((cell, column) => right.Contains(column) ? cell.PadLeft(widths[column]) : cell.PadRight(widths[column]));
            text.Append(indent).Append(string.Join(Gap, cells).TrimEnd()).Append('\n');
        }

        return text.ToString();
    }
}
