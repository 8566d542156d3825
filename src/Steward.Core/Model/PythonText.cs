using System.Globalization;
using System.Text;

namespace Steward.Core.Model;

/// <summary>Texts as Supervisor's log lines and messages show values: the notation of Python's <c>repr</c>.</summary>
public static class PythonText
{
    /// <summary>Writes bytes as a literal, for example <c>b'a\xffb\n'</c>.</summary>
    public static string Bytes(ReadOnlySpan<byte> bytes)
    {
        char quote = bytes.Contains((byte)'\'') && !bytes.Contains((byte)'"') ? '"' : '\'';
        var text = new StringBuilder(bytes.Length + 3).Append('b').Append(quote);
        foreach (byte b in bytes)
        {
            switch (b)
            {
                case (byte)'\t':
                    text.Append("\\t");
                    break;
                case (byte)'\n':
                    text.Append("\\n");
                    break;
                case (byte)'\r':
                    text.Append("\\r");
                    break;
                case (byte)'\\':
                    text.Append("\\\\");
                    break;
                case < 0x20 or >= 0x7f:
                    text.Append("\\x").Append(b.ToString("x2", CultureInfo.InvariantCulture));
                    break;
                default:
                    if (b == quote)
                    {
                        text.Append('\\');
                    }

                    text.Append((char)b);
                    break;
            }
        }

        return text.Append(quote).ToString();
    }
}
