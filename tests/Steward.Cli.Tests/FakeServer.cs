using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Steward.Protocol.XmlRpc;

namespace Steward.Cli.Tests;

/// <summary>An XML-RPC server on a unix socket that answers what a test tells it to.</summary>
internal sealed class FakeServer : IDisposable
{
    private readonly Socket _listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private readonly ConcurrentBag<Socket> _connections = [];
    private readonly Thread _thread;

    public FakeServer(string path)
    {
        Path = path;
        _listener.Bind(new UnixDomainSocketEndPoint(path));
        _listener.Listen();
        _thread = new Thread(Accept) { IsBackground = true };
        _thread.Start();
        On("supervisor.getVersion", _ => "3.0");
    }

    public string Path { get; }

    public string Url => "unix://" + Path;

    /// <summary>Every call as <c>method(a, b)</c>.</summary>
    public ConcurrentQueue<string> Calls { get; } = new();

    /// <summary>Every request head.</summary>
    public ConcurrentQueue<string> Heads { get; } = new();

    public int Connections => _connections.Count;

    public ConcurrentDictionary<string, Func<IReadOnlyList<XmlRpcValue>, object>> Methods { get; } = new();

    /// <summary>What GET answers by path: writes the whole response itself.</summary>
    public ConcurrentDictionary<string, Action<Socket>> Pages { get; } = new();

    /// <summary>When set, written in place of every answer.</summary>
    public Func<byte[], byte[]>? Rewrite { get; set; }

    /// <summary>The header value that lets a request in.</summary>
    public string? Authorization { get; set; }

    public bool Http10 { get; set; }

    /// <summary>Answers a method; a <see cref="Client.RpcFault"/> becomes a fault.</summary>
    public void On(string method, Func<IReadOnlyList<XmlRpcValue>, object> answer) => Methods[method] = answer;

    public static XmlRpcValue Struct(params (string Name, XmlRpcValue Value)[] members) =>
        new XmlRpcStruct([.. members.Select(member => KeyValuePair.Create(member.Name, member.Value))]);

    public static XmlRpcValue Array(params XmlRpcValue[] items) => new XmlRpcArray(items);

    public static XmlRpcValue Names(params string[] names) => new XmlRpcArray([.. names.Select(name => (XmlRpcValue)name)]);

    public static XmlRpcValue Process(string group, string name, int state, string stateName, string description, int pid = 0) =>
        Struct(("name", name), ("group", group), ("state", state), ("statename", stateName), ("description", description), ("pid", pid));

    public static XmlRpcValue Result(string group, string name, int status, string description = "OK") =>
        Struct(("name", name), ("group", group), ("status", status), ("description", description));

    public static Client.RpcFault Fault(int code, string text) => new(code, text);

    public void Dispose()
    {
        _listener.Dispose();
        foreach (Socket connection in _connections)
        {
            connection.Dispose();
        }
    }

    private void Accept()
    {
        try
        {
            while (true)
            {
                Socket connection = _listener.Accept();
                _connections.Add(connection);
                new Thread(() => Serve(connection)) { IsBackground = true }.Start();
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // The end of the test.
        }
    }

    private void Serve(Socket connection)
    {
        try
        {
            var pending = new List<byte>();
            byte[] buffer = new byte[8192];
            while (true)
            {
                int end;
                while ((end = Encoding.Latin1.GetString([.. pending]).IndexOf("\r\n\r\n", StringComparison.Ordinal)) < 0)
                {
                    int count = connection.Receive(buffer);
                    if (count == 0)
                    {
                        return;
                    }

                    pending.AddRange(buffer[..count]);
                }

                string head = Encoding.Latin1.GetString([.. pending], 0, end + 4);
                Heads.Enqueue(head);
                string? length = Header(head, "Content-Length");
                int body = length is null ? 0 : int.Parse(length, CultureInfo.InvariantCulture);
                while (pending.Count < end + 4 + body)
                {
                    int count = connection.Receive(buffer);
                    pending.AddRange(buffer[..count]);
                }

                byte[] request = [.. pending.GetRange(end + 4, body)];
                pending.RemoveRange(0, end + 4 + body);
                string target = head.Split(' ')[1];
                // Looked at before the answer: a test may change it as soon as that is out.
                bool last = Http10;
                if (Authorization is not null && Header(head, "Authorization") != Authorization)
                {
                    connection.Send(Encoding.ASCII.GetBytes(
                        "HTTP/1.1 401 Unauthorized\r\nConnection: close\r\nContent-Length: 0\r\nWWW-Authenticate: Basic realm=\"default\"\r\n\r\n"));
                }
                else if (target != "/RPC2")
                {
                    if (Pages.TryGetValue(target, out Action<Socket>? page))
                    {
                        page(connection);
                    }
                    else
                    {
                        connection.Send("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"u8);
                    }
                }
                else
                {
                    byte[] answer = Answer(request);
                    connection.Send(Rewrite is null ? answer : Rewrite(answer));
                }

                if (last)
                {
                    connection.Dispose();
                    return;
                }
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // The client or the test has ended it.
        }
    }

    private byte[] Answer(byte[] request)
    {
        Assert.Equal(XmlRpcReadError.None, XmlRpcReader.ReadCall(request, out XmlRpcCall? call));
        Calls.Enqueue($"{call!.Method}({string.Join(", ", call.Parameters.Select(Show))})");
        object answer = Methods.TryGetValue(call.Method, out Func<IReadOnlyList<XmlRpcValue>, object>? method)
            ? method(call.Parameters)
            : Fault(1, "UNKNOWN_METHOD");
        using var writer = new XmlRpcWriter();
        switch (answer)
        {
            case Client.RpcFault fault:
                writer.WriteFaultResponse(fault.Code, fault.Text);
                break;
            default:
                writer.BeginResponse();
                writer.WriteValue(answer switch
                {
                    XmlRpcValue value => value,
                    string text => text,
                    bool truth => truth,
                    int number => (long)number,
                    _ => throw new ArgumentException(answer.ToString()),
                });
                writer.EndResponse();
                break;
        }

        byte[] body = writer.Written.ToArray();
        string version = Http10 ? "HTTP/1.0" : "HTTP/1.1";
        return [.. Encoding.ASCII.GetBytes($"{version} 200 OK\r\nContent-Type: text/xml\r\nContent-Length: {body.Length}\r\n\r\n"), .. body];
    }

    private static string? Header(string head, string name) => head.Split("\r\n")
        .Where(line => line.StartsWith(name + ": ", StringComparison.OrdinalIgnoreCase))
        .Select(line => line[(name.Length + 2)..])
        .FirstOrDefault();

    private static string Show(XmlRpcValue value) => value switch
    {
        XmlRpcString text => text.Value,
        XmlRpcInt number => number.Value.ToString(CultureInfo.InvariantCulture),
        XmlRpcBoolean truth => truth.Value ? "true" : "false",
        _ => value.ToString(),
    };
}
