using System.Net;
using System.Text;

namespace Steward.Http.Pages;

/// <summary>A page under construction. Whatever is not markup of ours goes through <see cref="Text"/> or <see cref="Link"/>.</summary>
internal sealed class HtmlPage
{
    private readonly StringBuilder _html = new();

    public HtmlPage(string title)
    {
        string encoded = WebUtility.HtmlEncode(title);
        _html.Append("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n")
            .Append("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>").Append(encoded)
            .Append("</title>\n<link rel=\"stylesheet\" href=\"stylesheets/supervisor.css\">\n</head>\n<body>\n<h1>")
            .Append(encoded).Append("</h1>\n");
    }

    public HtmlPage Markup(string html)
    {
        _html.Append(html);
        return this;
    }

    public HtmlPage Text(string text) => Markup(WebUtility.HtmlEncode(text));

    public HtmlPage Link(string url, string text, bool newTab = false)
    {
        Markup("<a href=\"").Text(url).Markup(newTab ? "\" target=\"_blank\" rel=\"noopener\">" : "\">");
        return Text(text).Markup("</a>");
    }

    public HtmlPage Buttons(params ReadOnlySpan<(string Url, string Text)> buttons)
    {
        Markup("<ul class=\"buttons\">");
        foreach ((string url, string text) in buttons)
        {
            Markup("<li>").Link(url, text).Markup("</li>");
        }

        return Markup("</ul>\n");
    }

    /// <summary>Ends the page and returns it.</summary>
    public string End(string version) =>
        Markup("<footer>Steward, in place of Supervisor ").Text(version).Markup("</footer>\n</body>\n</html>\n")._html.ToString();
}
