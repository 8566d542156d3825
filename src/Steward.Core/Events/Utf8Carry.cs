using System.Buffers;
using System.Text;
using Steward.Core.Config;

namespace Steward.Core.Events;

/// <summary>
/// Makes text of a stream of bytes that comes in pieces: a character cut in two by the end of a piece waits for its rest.
/// A piece that is not UTF-8 becomes <c>Undecodable: b'...'</c> as a whole.
/// </summary>
internal sealed partial class Utf8Carry
{
    private const int LongestCharacter = 4;

    private byte[] _held = [];

    /// <summary>Says whether bytes are held back.</summary>
    public bool IsHolding => _held.Length > 0;

    /// <summary>Takes a piece in; returns null when all of it is held back.</summary>
    public string? Decode(byte[] piece)
    {
        byte[] bytes = _held.Length == 0 ? piece : [.. _held, .. piece];
        int held = IncompleteTail(bytes);
        _held = held == 0 ? [] : bytes[^held..];
        return held == bytes.Length ? null : Text(bytes.AsSpan(0, bytes.Length - held));
    }

    /// <summary>Ends the stream; returns what was held back, null for nothing.</summary>
    public string? End()
    {
        byte[] held = _held;
        _held = [];
        return held.Length == 0 ? null : Text(held);
    }

    /// <summary>Decodes, or says that it is not text.</summary>
    public static string Text(ReadOnlySpan<byte> bytes)
    {
        return System.Text.Unicode.Utf8.IsValid(bytes) ? Encoding.UTF8.GetString(bytes) : "Undecodable: " + PythonText.Bytes(bytes);
    }

    private static int IncompleteTail(ReadOnlySpan<byte> bytes)
    {
        for (int length = 1; length < LongestCharacter && length <= bytes.Length; length++)
        {
            ReadOnlySpan<byte> tail = bytes[^length..];
            if ((tail[0] & 0xc0) == 0xc0)
            {
                return Rune.DecodeFromUtf8(tail, out _, out _) == OperationStatus.NeedMoreData ? length : 0;
            }

            if (tail[0] < 0x80)
            {
                return 0;
            }
        }

        return 0;
    }
}
