using Steward.Client;
using Steward.Core.Model;

namespace Steward.Cli.Tests;

/// <summary>The example of the manual: what stands between the marks is compiled, run, and compared with the page.</summary>
internal static class ClientExample
{
    public static async Task<string> RestartAllOfAsync(string url, string group)
    {
        var lines = new StringWriter();
        // <example>
        var client = new StewardClient(url);
        foreach (ProcessInfo process in await client.GetAllProcessInfoAsync())
        {
            if (process.Group != group || process.State.IsStopped())
            {
                continue;
            }

            try
            {
                await client.StopProcessAsync(process.Namespec);
                await client.StartProcessAsync(process.Namespec);
                lines.WriteLine($"{process.Namespec} is up again");
            }
            catch (StewardFaultException refusal)
            {
                lines.WriteLine($"{process.Namespec}: {refusal.Fault.Text}");
            }
        }
        // </example>
        return lines.ToString();
    }
}
