using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using Steward.Linux.Interop;

namespace Steward.Linux.Host;

/// <summary>Addresses of sockets as the kernel takes them (man 7 unix, man 7 ip, man 7 ipv6).</summary>
internal static class SocketName
{
    /// <summary>The longest path of a unix socket in bytes, without the zero behind it.</summary>
    public const int MaxUnixPath = 107;

    /// <summary>The name of a unix socket; null when the path is too long for one.</summary>
    public static byte[]? Unix(string path)
    {
        byte[] bytes = NativeText.Encode(path);
        if (bytes.Length > MaxUnixPath)
        {
            return null;
        }

        // struct sockaddr_un: family, path, zero.
        byte[] name = new byte[2 + bytes.Length + 1];
        BitConverter.TryWriteBytes(name, (ushort)LibC.AF_UNIX);
        bytes.CopyTo(name.AsSpan(2));
        return name;
    }

    /// <summary>The name of a TCP socket; its family is that of the address.</summary>
    public static byte[] Inet(IPAddress address, int port)
    {
        bool isSix = address.AddressFamily == AddressFamily.InterNetworkV6;

        // struct sockaddr_in: family, port and address in network order, padding; sockaddr_in6 has a flow label before the address
        // and a scope behind it.
        byte[] name = new byte[isSix ? 28 : 16];
        BitConverter.TryWriteBytes(name, (ushort)(isSix ? LibC.AF_INET6 : LibC.AF_INET));
        BinaryPrimitives.WriteUInt16BigEndian(name.AsSpan(2), (ushort)port);
        _ = address.TryWriteBytes(name.AsSpan(isSix ? 8 : 4), out _);
        if (isSix)
        {
            BitConverter.TryWriteBytes(name.AsSpan(24), (uint)address.ScopeId);
        }

        return name;
    }
}
