using System.Buffers;
using System.Runtime.InteropServices;
using System.Runtime.InteropServices.Marshalling;
using System.Text;

namespace Steward.Linux.Interop;

/// <summary>
/// Text of the system that may not be UTF-8 (file names, environment, user names). A byte that is no UTF-8 stands in a string
/// as the lone surrogate U+DC80 to U+DCFF and becomes the same byte again on the way back, so that nothing changes in passing.
/// Supervisor's interpreter does the same.
/// </summary>
internal static unsafe class NativeText
{
    /// <summary>Turns bytes into text.</summary>
    public static string Decode(ReadOnlySpan<byte> bytes)
    {
        var text = new StringBuilder(bytes.Length);
        Span<char> units = stackalloc char[2];
        while (bytes.Length > 0)
        {
            if (Rune.DecodeFromUtf8(bytes, out Rune rune, out int used) == OperationStatus.Done)
            {
                text.Append(units[..rune.EncodeToUtf16(units)]);
            }
            else
            {
                foreach (byte stray in bytes[..used])
                {
                    text.Append((char)(0xdc00 + stray));
                }
            }

            bytes = bytes[used..];
        }

        return text.ToString();
    }

    /// <summary>Turns a zero-terminated string of the system into text; null stays null.</summary>
    public static string? Decode(byte* text) =>
        text is null ? null : Decode(MemoryMarshal.CreateReadOnlySpanFromNullTerminated(text));

    /// <summary>Turns text into bytes, without a terminator.</summary>
    public static byte[] Encode(string text) => text.AsSpan().ContainsAnyInRange('\ud800', '\udfff') ? EncodeStray(text) : Encoding.UTF8.GetBytes(text);

    private static byte[] EncodeStray(string text)
    {
        var bytes = new List<byte>(text.Length);
        Span<byte> units = stackalloc byte[4];
        ReadOnlySpan<char> rest = text;
        while (rest.Length > 0)
        {
            OperationStatus status = Rune.DecodeFromUtf16(rest, out Rune rune, out int used);
            if (status != OperationStatus.Done && rest[0] is >= '\udc80' and <= '\udcff')
            {
                bytes.Add((byte)(rest[0] - 0xdc00));
            }
            else
            {
                // Any other lone surrogate has no bytes of its own: it becomes the replacement character.
                bytes.AddRange(units[..rune.EncodeToUtf8(units)]);
            }

            rest = rest[used..];
        }

        return [.. bytes];
    }
}

/// <summary>Passes strings to the C library as <see cref="NativeText"/> writes them, zero-terminated.</summary>
[CustomMarshaller(typeof(string), MarshalMode.ManagedToUnmanagedIn, typeof(NativeTextMarshaller))]
internal static unsafe class NativeTextMarshaller
{
    /// <summary>Allocates the bytes; the generated code frees them after the call.</summary>
    /// <exception cref="ArgumentException">The text holds a zero character: the system would see only what stands before it.</exception>
    public static byte* ConvertToUnmanaged(string? text)
    {
        if (text is null)
        {
            return null;
        }

        if (text.Contains('\0', StringComparison.Ordinal))
        {
            throw new ArgumentException("the text " + Core.Config.PythonText.Repr(text) + " holds a zero character", nameof(text));
        }

        byte[] bytes = NativeText.Encode(text);
        byte* copy = (byte*)NativeMemory.Alloc((nuint)bytes.Length + 1);
        bytes.CopyTo(new Span<byte>(copy, bytes.Length));
        copy[bytes.Length] = 0;
        return copy;
    }

    /// <summary>Frees what <see cref="ConvertToUnmanaged"/> allocated.</summary>
    public static void Free(byte* copy) => NativeMemory.Free(copy);
}
