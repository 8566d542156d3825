using System.Net.Sockets;
using System.Text;
using Steward.Linux.Tests.Host;

namespace Steward.Linux.Tests.Output;

/// <summary>The receiving end of a system's log.</summary>
internal sealed class SyslogSocket : IDisposable
{
    private readonly TempDirectory _directory = new();
    private readonly Socket _socket = new(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);

    public SyslogSocket()
    {
        _socket.Bind(new UnixDomainSocketEndPoint(Path));
        _socket.ReceiveTimeout = (int)Outside.Patience.TotalMilliseconds;
    }

    public string Path => _directory.File("log");

    public string Receive()
    {
        byte[] buffer = new byte[4096];
        return Encoding.Latin1.GetString(buffer, 0, _socket.Receive(buffer));
    }

    public void Dispose()
    {
        _socket.Dispose();
        _directory.Dispose();
    }
}
