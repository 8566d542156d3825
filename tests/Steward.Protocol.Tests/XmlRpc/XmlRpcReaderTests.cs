using System.Text;
using FsCheck;
using FsCheck.Fluent;
using Steward.Protocol.XmlRpc;

namespace Steward.Protocol.Tests.XmlRpc;

public class XmlRpcReaderTests
{
    private static string Call(string value) =>
        "<?xml version='1.0'?>\n<methodCall>\n<methodName>a.b</methodName>\n<params>\n<param>\n" + value
        + "\n</param>\n</params>\n</methodCall>\n";

    private static XmlRpcReadError Read(string text, out XmlRpcCall? call) =>
        XmlRpcReader.ReadCall(Encoding.UTF8.GetBytes(text), out call);

    private static string Show(XmlRpcValue value) => value switch
    {
        XmlRpcString text => "'" + text.Value.Replace("\n", "\\n").Replace("\r", "\\r").Replace("\t", "\\t") + "'",
        XmlRpcInt number => "int " + number.Value,
        XmlRpcBoolean boolean => boolean.Value ? "true" : "false",
        XmlRpcDouble real => "double " + real.Value.ToString("R", System.Globalization.CultureInfo.InvariantCulture),
        XmlRpcDateTime date => "date " + date.Value.ToString("s", System.Globalization.CultureInfo.InvariantCulture),
        XmlRpcNil => "nil",
        XmlRpcArray array => "[" + string.Join(", ", array.Items.Select(Show)) + "]",
        XmlRpcStruct members => "{" + string.Join(", ", members.Members.Select(m => m.Key + ": " + Show(m.Value))) + "}",
        _ => value.ToString(),
    };

    // The conversions of inbound values, one row each.
    [Theory]
    [InlineData("<value>text</value>", "'text'")]
    [InlineData("<value> a b </value>", "' a b '")]
    [InlineData("<value></value>", "''")]
    [InlineData("<value/>", "''")]
    [InlineData("<value> <int>5</int> </value>", "int 5")]
    [InlineData("<value><int>5</int><int>6</int></value>", "int 5")]
    [InlineData("<value><string>x</string></value>", "'x'")]
    [InlineData("<value><string></string></value>", "''")]
    [InlineData("<value><string/></value>", "''")]
    [InlineData("<value><int> 7\n</int></value>", "int 7")]
    [InlineData("<value><i4>-7</i4></value>", "int -7")]
    [InlineData("<value><int>+7</int></value>", "int 7")]
    [InlineData("<value><int>0000000000000000000000000000012</int></value>", "int 12")]
    [InlineData("<value><int>99999999999999999999999999</int></value>", "int 9223372036854775807")]
    [InlineData("<value><int>-99999999999999999999999999</int></value>", "int -9223372036854775807")]
    [InlineData("<value><i8>10</i8></value>", "'10'")]
    [InlineData("<value><nil/></value>", "nil")]
    [InlineData("<value><ex:i1 xmlns:ex='u'>3</ex:i1></value>", "'3'")]
    [InlineData("<value><boolean>1</boolean></value>", "true")]
    [InlineData("<value><boolean>0</boolean></value>", "false")]
    [InlineData("<value><boolean> 1 </boolean></value>", "false")]
    [InlineData("<value><boolean>true</boolean></value>", "false")]
    [InlineData("<value><boolean/></value>", "false")]
    [InlineData("<value><double>10.7</double></value>", "double 10.7")]
    [InlineData("<value><double> -1e3 </double></value>", "double -1000")]
    [InlineData("<value><dateTime.iso8601>20261124T15:04:05</dateTime.iso8601></value>", "date 2026-11-24T15:04:05")]
    [InlineData("<value><base64>Y2F0</base64></value>", "'cat'")]
    [InlineData("<value><base64>Y2\nF0\n</base64></value>", "'cat'")]
    [InlineData("<value><base64></base64></value>", "''")]
    [InlineData("<value><array><data></data></array></value>", "[]")]
    [InlineData("<value><array>\n<data>\n<value>a</value>\n<value><int>1</int></value>\n</data>\n</array></value>", "['a', int 1]")]
    [InlineData("<value><struct></struct></value>", "{}")]
    [InlineData("<value><struct><member><name>k</name><value>v</value></member></struct></value>", "{k: 'v'}")]
    [InlineData("<value><struct><member><other>k</other><int>1</int></member></struct></value>", "{k: int 1}")]
    [InlineData("<value><struct><member><name/><value>v</value></member></struct></value>", "{: 'v'}")]
    [InlineData("<value><![CDATA[a<b]]></value>", "'a<b'")]
    [InlineData("<value>a<![CDATA[&]]>b<!-- c -->c<?pi d?>d</value>", "'a&bcd'")]
    [InlineData("<value>&#99;&#x61;t &amp;&lt;&gt;&quot;&apos;</value>", "'cat &<>\"''")]
    [InlineData("<value>a\r\nb\rc&#13;d</value>", "'a\\nb\\nc\\rd'")]
    [InlineData("<value>&#x1F600;ö…</value>", "'\U0001F600ö…'")]
    [InlineData("<value  a='1' b=\"&lt;\" ><string c = 'x'>y</string ></value >", "'y'")]
    [InlineData("<int>5</int>", "int 5")]
    public void A_value_becomes(string value, string expected)
    {
        Assert.Equal(XmlRpcReadError.None, Read(Call(value), out XmlRpcCall? call));
        Assert.Equal("a.b", call!.Method);
        Assert.Equal(expected, Show(Assert.Single(call.Parameters)));
    }

    [Theory]
    [InlineData("<value><int></int></value>")]
    [InlineData("<value><int>5x</int></value>")]
    [InlineData("<value><int>-</int></value>")]
    [InlineData("<value><i4>1 2</i4></value>")]
    [InlineData("<value><double>x</double></value>")]
    [InlineData("<value><dateTime.iso8601>2026-11-24</dateTime.iso8601></value>")]
    [InlineData("<value><base64>/w==</base64></value>")]
    [InlineData("<value><base64>Y</base64></value>")]
    [InlineData("<value><array></array></value>")]
    [InlineData("<value><array><value>a</value></array></value>")]
    [InlineData("<value><struct><member><name>a</name></member></struct></value>")]
    [InlineData("<value><struct><member><name>a</name><value/><value/></member></struct></value>")]
    [InlineData("<value><struct><member/></struct></value>")]
    [InlineData("")]
    [InlineData("<value>&unknown;</value>")]
    [InlineData("<value>&#0;</value>")]
    [InlineData("<value>&#xD800;</value>")]
    [InlineData("<value>&#xFFFF;</value>")]
    [InlineData("<value>&#x110000;</value>")]
    [InlineData("<value>&#;</value>")]
    [InlineData("<value>&;</value>")]
    [InlineData("<value>a & b</value>")]
    [InlineData("<value>\u0001</value>")]
    [InlineData("<value>")]
    [InlineData("</value>")]
    [InlineData("<value></valu>")]
    [InlineData("<value a></value>")]
    [InlineData("<value a=1></value>")]
    [InlineData("<value a='<'></value>")]
    [InlineData("<value a='1'b='2'></value>")]
    [InlineData("<value><!-- </value>")]
    [InlineData("<value><![CDATA[ </value>")]
    [InlineData("< value></value>")]
    [InlineData("<1></1>")]
    public void A_value_is_refused(string value)
    {
        Assert.Equal(XmlRpcReadError.Unmarshallable, Read(Call(value), out XmlRpcCall? call));
        Assert.Null(call);
    }

    [Theory]
    [InlineData("<methodCall><methodName>a.b</methodName></methodCall>", "a.b", 0)]
    [InlineData("<x><methodName>a.b</methodName><params/></x>", "a.b", 0)]
    [InlineData("\uFEFF<?xml version='1.0' encoding='latin-1'?><!-- c --><x><methodName>ä</methodName></x>\n<!-- d -->\n", "ä", 0)]
    [InlineData("<x><methodName>a</methodName><methodName>b</methodName></x>", "b", 0)]
    [InlineData("<x><methodName> a </methodName></x>", " a ", 0)]
    [InlineData(
        "<x><methodName>a</methodName><params><param><value/></param></params><params><param><int>1</int></param>"
        + "<param><int>2</int></param></params></x>",
        "a",
        2)]
    public void A_call_is_read(string text, string method, int parameters)
    {
        Assert.Equal(XmlRpcReadError.None, Read(text, out XmlRpcCall? call));
        Assert.Equal(method, call!.Method);
        Assert.Equal(parameters, call.Parameters.Count);
    }

    [Theory]
    [InlineData("<methodCall></methodCall>")]
    [InlineData("<methodCall/>")]
    [InlineData("<methodCall><methodName></methodName></methodCall>")]
    [InlineData("<methodCall><methodName/></methodCall>")]
    public void A_call_without_a_method_is_told_apart(string text) =>
        Assert.Equal(XmlRpcReadError.NoMethodName, Read(text, out _));

    [Theory]
    [InlineData("")]
    [InlineData(" ")]
    [InlineData("this is not xml")]
    [InlineData("<methodCall><methodName>x</methodName>")]
    [InlineData("<a><methodName>x</methodName></a>tail")]
    [InlineData("<a><methodName>x</methodName></a><b/>")]
    [InlineData("<!DOCTYPE a><a><methodName>x</methodName></a>")]
    [InlineData("<!DOCTYPE a [<!ENTITY e 'x'>]><a><methodName>&e;</methodName></a>")]
    [InlineData("<?xml version='1.0'")]
    [InlineData("<a")]
    [InlineData("<")]
    [InlineData("<a/")]
    public void What_is_no_document_is_refused(string text) => Assert.Equal(XmlRpcReadError.Unmarshallable, Read(text, out _));

    [Fact]
    public void Bytes_that_are_not_UTF8_are_refused()
    {
        byte[] text = Encoding.Latin1.GetBytes("<a><methodName>\u00e4</methodName></a>");
        Assert.Equal(XmlRpcReadError.Unmarshallable, XmlRpcReader.ReadCall(text, out _));
    }

    [Fact]
    public void Depth_is_bounded()
    {
        string Nested(int depth) => Call(
            string.Concat(Enumerable.Repeat("<value><array><data>", depth))
            + string.Concat(Enumerable.Repeat("</data></array></value>", depth)));

        Assert.Equal(XmlRpcReadError.None, Read(Nested(40), out _));
        Assert.Equal(XmlRpcReadError.Unmarshallable, Read(Nested(50), out _));
        Assert.Equal(XmlRpcReadError.Unmarshallable, Read(Nested(100_000), out _));
    }

    [Fact]
    public void Size_is_bounded()
    {
        byte[] most = Encoding.UTF8.GetBytes("<a><methodName>x</methodName></a>".PadRight(XmlRpcReader.MaxBytes));
        Assert.Equal(XmlRpcReadError.None, XmlRpcReader.ReadCall(most, out _));
        Assert.Equal(XmlRpcReadError.TooLarge, XmlRpcReader.ReadCall([.. most, (byte)' '], out _));
    }

    [Fact]
    public void Many_pieces_of_text_are_joined()
    {
        string text = Call("<value>" + string.Concat(Enumerable.Repeat("a<!---->&amp;<![CDATA[b]]>", 20_000)) + "</value>");
        Assert.Equal(XmlRpcReadError.None, Read(text, out XmlRpcCall? call));
        Assert.Equal(string.Concat(Enumerable.Repeat("a&b", 20_000)), ((XmlRpcString)call!.Parameters[0]).Value);
    }

    [Fact]
    public void A_response_is_read_as_value_or_fault()
    {
        using var writer = new XmlRpcWriter();
        writer.BeginResponse();
        writer.WriteValue(new XmlRpcArray("x", 5, true));
        writer.EndResponse();
        Assert.Equal(XmlRpcReadError.None, XmlRpcReader.ReadResponse(writer.Written.Span, out XmlRpcResponse? response));
        Assert.Equal("['x', int 5, true]", Show(response!.Value!));

        writer.Clear();
        writer.WriteFaultResponse(10, "BAD_NAME: nope");
        Assert.Equal(XmlRpcReadError.None, XmlRpcReader.ReadResponse(writer.Written.Span, out response));
        Assert.Equal(new XmlRpcResponse(null, 10, "BAD_NAME: nope"), response);

        Assert.Equal(XmlRpcReadError.Unmarshallable, XmlRpcReader.ReadResponse("<methodResponse/>"u8, out _));
        Assert.Equal(
            XmlRpcReadError.Unmarshallable,
            XmlRpcReader.ReadResponse("<methodResponse><fault><value><int>1</int></value></fault></methodResponse>"u8, out _));
    }

    [Fact]
    public void What_is_written_reads_back_the_same()
    {
        Gen<XmlRpcValue> leaf = Gen.OneOf(
            ArbMap.Default.GeneratorFor<NonNull<string>>().Select(text => (XmlRpcValue)Sendable(text.Get)),
            ArbMap.Default.GeneratorFor<int>().Select(number => (XmlRpcValue)(long)number),
            ArbMap.Default.GeneratorFor<bool>().Select(flag => (XmlRpcValue)flag),
            ArbMap.Default.GeneratorFor<NormalFloat>().Select(real => (XmlRpcValue)new XmlRpcDouble(real.Get)),
            Gen.Constant((XmlRpcValue)XmlRpcNil.Instance));

        Gen<XmlRpcValue> Value(int depth) => depth == 0 ? leaf : Gen.OneOf(
            leaf,
            Gen.ListOf(Value(depth - 1), 3).Select(items => (XmlRpcValue)new XmlRpcArray([.. items])),
            Gen.Zip(Gen.ListOf(ArbMap.Default.GeneratorFor<NonNull<string>>(), 3), Gen.ListOf(Value(depth - 1), 3)).Select(pair =>
                (XmlRpcValue)new XmlRpcStruct(
                    [.. pair.Item1.Zip(pair.Item2, (key, value) => KeyValuePair.Create(Sendable(key.Get), value))])));

        Prop.ForAll(Value(4).ToArbitrary(), value =>
        {
            using var writer = new XmlRpcWriter();
            writer.WriteCall("m", value);
            return XmlRpcReader.ReadCall(writer.Written.Span, out XmlRpcCall? call) == XmlRpcReadError.None
                && call!.Method == "m"
                && Equals(call.Parameters.Single(), value);
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(2000));
    }

    // What of a text survives the wire: XML 1.0 has no other control characters, and UTF-8 no lone surrogates.
    private static string Sendable(string text) => string.Concat(text.EnumerateRunes().Select(rune =>
        rune.Value is < 0x20 and not (9 or 10 or 13) or 0xFFFE or 0xFFFF ? "\uFFFD" : rune.ToString()));

    [Fact]
    public void Hostile_bytes_never_throw()
    {
        byte[][] seeds =
        [
            Encoding.UTF8.GetBytes(Call("<value><struct><member><name>k</name><value><base64>Y2F0</base64></value></member></struct></value>")),
            Encoding.UTF8.GetBytes(Call("<value a='&#x41;'>ö<![CDATA[x]]><!-- y -->&amp;</value>")),
            Encoding.UTF8.GetBytes(Call("<value><array><data><value><dateTime.iso8601>20261124T15:04:05</dateTime.iso8601></value>"
                + "<value><double>1.5</double></value><value><int>5</int></value></data></array></value>")),
        ];
        byte[][] tokens = [.. new[]
        {
            "<", ">", "</", "/>", "&", ";", "<!--", "-->", "<![CDATA[", "]]>", "<?", "?>", "<!DOCTYPE", "&#", "&#x", "'", "\"", "=", "<value>",
            "</value>", "<params>", "<struct>", "<member>", "<data>", "<array>", "<methodName>", "\0", "\uFEFF", "<int>", "<boolean>",
        }.Select(Encoding.UTF8.GetBytes)];
        for (int seed = 0; seed < 10_000; seed++)
        {
            var random = new Random(seed);
            List<byte> body = [.. seeds[random.Next(seeds.Length)]];
            for (int change = random.Next(1, 12); change > 0 && body.Count > 0; change--)
            {
                int at = random.Next(body.Count);
                switch (random.Next(5))
                {
                    case 0:
                        body[at] = (byte)random.Next(256);
                        break;
                    case 1:
                        body.RemoveRange(at, Math.Min(body.Count - at, random.Next(1, 30)));
                        break;
                    case 2:
                        body.InsertRange(at, tokens[random.Next(tokens.Length)]);
                        break;
                    case 3:
                        body.InsertRange(at, body.GetRange(at, Math.Min(body.Count - at, random.Next(1, 60))));
                        break;
                    default:
                        body.RemoveRange(at, body.Count - at);
                        break;
                }
            }

            byte[] bytes = [.. body];
            try
            {
                XmlRpcReadError error = XmlRpcReader.ReadCall(bytes, out XmlRpcCall? call);
                Assert.Equal(error == XmlRpcReadError.None, call is { Method.Length: > 0 });
                XmlRpcReader.ReadResponse(bytes, out _);
            }
            catch (Exception e)
            {
                Assert.Fail($"seed {seed}: {Encoding.Latin1.GetString(bytes)}: {e}");
            }
        }
    }
}
