using System.Text;

namespace Steward.Cli;

/// <summary>Lays words out in columns, read downwards, as few rows as fit.</summary>
internal static class Columns
{
    /// <summary>Makes the rows. Every cell is padded to its column, two blanks stand between columns.</summary>
    /// <param name="words">The words in order.</param>
    /// <param name="width">How wide a row may be.</param>
    public static IReadOnlyList<string> Rows(IReadOnlyList<string> words, int width)
    {
        if (words.Count == 0)
        {
            return [];
        }

        int rows = 1;
        int[] widths;
        while (true)
        {
            int columns = (words.Count + rows - 1) / rows;
            widths = new int[columns];
            for (int i = 0; i < words.Count; i++)
            {
                widths[i / rows] = Math.Max(widths[i / rows], words[i].Length);
            }

            if (rows == words.Count || widths.Sum() + (2 * (columns - 1)) <= width)
            {
                break;
            }

            rows++;
        }

        var result = new string[rows];
        var line = new StringBuilder();
        for (int row = 0; row < rows; row++)
        {
            line.Clear();
            for (int column = 0; row + (column * rows) < words.Count; column++)
            {
                line.Append(column > 0 ? "  " : "").Append(words[row + (column * rows)].PadRight(widths[column]));
            }

            result[row] = line.ToString();
        }

        return result;
    }
}
