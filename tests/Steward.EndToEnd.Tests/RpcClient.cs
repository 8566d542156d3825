using System.Globalization;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text;
using System.Xml.Linq;

namespace Steward.EndToEnd;

/// <summary>A fault that the daemon answered with.</summary>
public sealed class RpcFaultException(int code, string text) : Exception($"{code}: {text}")
{
    public int Code { get; } = code;
}

/// <summary>A client of our own making, on the runtime's HTTP and XML, independent of the code under test.</summary>
internal sealed class RpcClient : IDisposable
{
    private readonly HttpClient _http;

    public RpcClient(string socketPath)
    {
        _http = new HttpClient(new SocketsHttpHandler
        {
            ConnectCallback = async (_, cancellation) =>
            {
                var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                try
                {
                    await socket.ConnectAsync(new UnixDomainSocketEndPoint(socketPath), cancellation);
                    return new NetworkStream(socket, ownsSocket: true);
                }
                catch
                {
                    socket.Dispose();
                    throw;
                }
            },
        })
        {
            BaseAddress = new Uri("http://localhost/"),
            Timeout = Waiting.Limit,
        };
    }

    public HttpClient Http => _http;

    public async Task<object?> CallAsync(string method, params object[] arguments)
    {
        var call = new XElement("methodCall", new XElement("methodName", method),
            new XElement("params", arguments.Select(a => new XElement("param", Encode(a)))));
        using var content = new ByteArrayContent(Encoding.UTF8.GetBytes(call.ToString(SaveOptions.DisableFormatting)));
        content.Headers.ContentType = new MediaTypeHeaderValue("text/xml");
        using var response = await _http.PostAsync(new Uri("RPC2", UriKind.Relative), content);
        response.EnsureSuccessStatusCode();
        var answer = XDocument.Parse(await response.Content.ReadAsStringAsync(), LoadOptions.PreserveWhitespace).Root!;
        if (answer.Element("fault") is { } fault)
        {
            var members = (Dictionary<string, object?>)Decode(fault.Element("value")!)!;
            throw new RpcFaultException((int)members["faultCode"]!, (string)members["faultString"]!);
        }

        return Decode(answer.Element("params")!.Element("param")!.Element("value")!);
    }

    public void Dispose() => _http.Dispose();

    private static XElement Encode(object value) => new("value", value switch
    {
        string s => new XElement("string", s),
        int i => new XElement("int", i),
        bool b => new XElement("boolean", b ? 1 : 0),
        _ => throw new ArgumentException($"cannot send a {value.GetType()}", nameof(value)),
    });

    private static object? Decode(XElement value)
    {
        var typed = value.Elements().FirstOrDefault();
        return typed?.Name.LocalName switch
        {
            null => value.Value,
            "string" => typed.Value,
            "int" or "i4" => int.Parse(typed.Value, CultureInfo.InvariantCulture),
            "boolean" => typed.Value == "1",
            "array" => typed.Element("data")!.Elements("value").Select(Decode).ToList(),
            "struct" => typed.Elements("member").ToDictionary(m => m.Element("name")!.Value, m => Decode(m.Element("value")!)),
            var other => throw new InvalidDataException($"an answer with a <{other}>"),
        };
    }
}
