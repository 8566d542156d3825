namespace Steward.Core.Config;

/// <summary>Finds what somebody meant who mistyped a word.</summary>
internal static class Spelling
{
    // Longer words are no keys of anybody: the work stays small whatever a file holds.
    private const int LongestWord = 64;

    /// <summary>The known word that is nearest to another one, ignoring case; null when none is near.</summary>
    public static string? Nearest(string word, IEnumerable<string> known)
    {
        if (word.Length is 0 or > LongestWord)
        {
            return null;
        }

        string? nearest = null;
        int least = Math.Max(1, word.Length / 3) + 1;
        foreach (string candidate in known.Order(StringComparer.Ordinal))
        {
            int distance = Distance(word.ToLowerInvariant(), candidate.ToLowerInvariant(), least);
            if (distance < least)
            {
                nearest = candidate;
                least = distance;
            }
        }

        return nearest;
    }

    // Letters to insert, remove, replace, or swap with their neighbour (optimal string alignment). Some number not below the
    // limit when it is not below it.
    private static int Distance(string first, string second, int limit)
    {
        if (Math.Abs(first.Length - second.Length) >= limit)
        {
            return limit;
        }

        int[] before = new int[second.Length + 1];
        int[] last = new int[second.Length + 1];
        int[] row = new int[second.Length + 1];
        for (int j = 0; j < last.Length; j++)
        {
            last[j] = j;
        }

        for (int i = 1; i <= first.Length; i++)
        {
            row[0] = i;
            for (int j = 1; j <= second.Length; j++)
            {
                int change = last[j - 1] + (first[i - 1] == second[j - 1] ? 0 : 1);
                row[j] = Math.Min(change, Math.Min(last[j], row[j - 1]) + 1);
                if (i > 1 && j > 1 && first[i - 1] == second[j - 2] && first[i - 2] == second[j - 1])
                {
                    row[j] = Math.Min(row[j], before[j - 2] + 1);
                }
            }

            (before, last, row) = (last, row, before);
        }

        return last[second.Length];
    }
}
