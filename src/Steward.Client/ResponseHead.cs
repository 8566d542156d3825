using System.Buffers.Text;
using System.Text;

namespace Steward.Client;

/// <summary>The part of a response's head that a client acts upon.</summary>
/// <param name="Status">The status code.</param>
/// <param name="Reason">The reason phrase; may be empty.</param>
/// <param name="Length">The length of the body; null when it is not given.</param>
/// <param name="Chunked">Says whether the body comes in chunks.</param>
/// <param name="KeepAlive">Says whether the server keeps the connection after the body.</param>
internal readonly record struct ResponseHead(int Status, string Reason, long? Length, bool Chunked, bool KeepAlive)
{
    /// <summary>Finds the length of a head, its empty line included; -1 when it is not complete. Lines may end with LF alone.</summary>
    public static int Find(ReadOnlySpan<byte> bytes)
    {
        int crlf = bytes.IndexOf("\r\n\r\n"u8);
        int lf = bytes.IndexOf("\n\n"u8);
        return crlf >= 0 && (lf < 0 || crlf < lf) ? crlf + 4 : lf >= 0 ? lf + 2 : -1;
    }

    /// <summary>Reads a complete head.</summary>
    public static bool TryParse(ReadOnlySpan<byte> head, out ResponseHead result)
    {
        result = default;
        int end = head.IndexOf((byte)'\n');
        ReadOnlySpan<byte> line = head[..end].TrimEnd((byte)'\r');
        // HTTP/1.1 200 OK
        if (line.Length < 12 || !line.StartsWith("HTTP/1."u8) || line[8] != ' '
            || !Utf8Parser.TryParse(line.Slice(9, 3), out int status, out int used) || used != 3 || status < 100)
        {
            return false;
        }

        string reason = line.Length > 13 ? Encoding.UTF8.GetString(line[13..]) : "";
        long? length = null;
        bool chunked = false;
        bool keepAlive = line[7] != '0';
        head = head[(end + 1)..];
        while ((end = head.IndexOf((byte)'\n')) >= 0)
        {
            line = head[..end].TrimEnd((byte)'\r');
            head = head[(end + 1)..];
            int colon = line.IndexOf((byte)':');
            if (colon < 0)
            {
                continue;
            }

            ReadOnlySpan<byte> name = line[..colon];
            ReadOnlySpan<byte> value = line[(colon + 1)..].Trim(" \t"u8);
            if (Ascii.EqualsIgnoreCase(name, "content-length"u8))
            {
                if (!Utf8Parser.TryParse(value, out long number, out used) || used != value.Length || number < 0)
                {
                    return false;
                }

                length = number;
            }
            else if (Ascii.EqualsIgnoreCase(name, "transfer-encoding"u8))
            {
                chunked = Ascii.EqualsIgnoreCase(value, "chunked"u8);
            }
            else if (Ascii.EqualsIgnoreCase(name, "connection"u8))
            {
                keepAlive = Ascii.EqualsIgnoreCase(value, "keep-alive"u8) || (keepAlive && !Ascii.EqualsIgnoreCase(value, "close"u8));
            }
        }

        // Without a length the body ends with the connection.
        result = new ResponseHead(status, reason, length, chunked, keepAlive && (chunked || length is not null));
        return true;
    }
}
