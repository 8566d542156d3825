namespace Steward.Core.Output;

/// <summary>
/// Removes control sequences (ECMA-48, 5.4: ESC <c>[</c>, parameter bytes 0x30-0x3F, intermediate bytes 0x20-0x2F, one final byte
/// 0x40-0x7E) from a stream that comes in pieces. A byte that cannot belong to a sequence ends it and is output: a line end is never
/// lost to a broken sequence. Other escapes stay as they are.
/// </summary>
internal struct AnsiStripper
{
    /// <summary>How much longer than the input the output may be: an ESC held back before.</summary>
    public const int MaxGrowth = 1;

    private const byte Esc = 0x1b;

    private enum Place : byte
    {
        Ground,
        Escape,
        Parameters,
        Intermediates,
    }

    private Place _place;

    /// <summary>Makes a stripper that goes on where another stopped.</summary>
    public AnsiStripper(int state) => _place = (Place)state;

    /// <summary>The largest number that <see cref="State"/> can be.</summary>
    public const int LastState = (int)Place.Intermediates;

    /// <summary>Where in a sequence the stream is, as it is written down; 0 is outside of any.</summary>
    public readonly int State => (int)_place;

    /// <summary>Says whether stripping would change nothing of this chunk.</summary>
    public readonly bool LeavesAlone(ReadOnlySpan<byte> chunk) => _place == Place.Ground && !chunk.Contains(Esc);

    /// <summary>Ends the stream; true when an ESC was held back and is output after all.</summary>
    public bool EndHeld()
    {
        bool held = _place == Place.Escape;
        _place = Place.Ground;
        return held;
    }

    /// <summary>Copies what stays; returns its length.</summary>
    public int Strip(ReadOnlySpan<byte> chunk, Span<byte> output)
    {
        int length = 0;
        int i = 0;
        while (i < chunk.Length)
        {
            if (_place == Place.Ground)
            {
                int run = chunk[i..].IndexOf(Esc);
                run = run < 0 ? chunk.Length - i : run;
                chunk.Slice(i, run).CopyTo(output[length..]);
                length += run;
                i += run;
                if (i == chunk.Length)
                {
                    return length;
                }
            }

            byte next = chunk[i++];
            switch (_place)
            {
                case Place.Ground:
                    _place = Place.Escape;
                    break;

                case Place.Escape when next == (byte)'[':
                    _place = Place.Parameters;
                    break;

                case Place.Escape:
                    output[length++] = Esc;
                    i--;
                    _place = Place.Ground;
                    break;

                case Place.Parameters when next is >= 0x30 and <= 0x3f:
                    break;

                case Place.Parameters or Place.Intermediates when next is >= 0x20 and <= 0x2f:
                    _place = Place.Intermediates;
                    break;

                case Place.Parameters or Place.Intermediates when next is >= 0x40 and <= 0x7e:
                    _place = Place.Ground;
                    break;

                default:
                    i--;
                    _place = Place.Ground;
                    break;
            }
        }

        return length;
    }
}
