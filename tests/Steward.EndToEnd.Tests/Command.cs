using System.Diagnostics;

namespace Steward.EndToEnd;

/// <summary>What a command that ran to its end said and returned.</summary>
internal sealed record Finished(int Status, string Output, string Error)
{
    public void AssertSuccess() => Assert.True(Status == 0, $"ended with {Status}\n{Output}\n{Error}");
}

/// <summary>Runs commands to their end.</summary>
internal static class Command
{
    public static async Task<Finished> RunAsync(string file, IEnumerable<string> arguments, string? input = null, string? folder = null)
    {
        var start = new ProcessStartInfo(file, arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = folder ?? Path.GetTempPath(),
        };
        start.Environment["LANG"] = "C.UTF-8";
        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEndAsync();
        var error = process.StandardError.ReadToEndAsync();
        if (input is not null)
        {
            await process.StandardInput.WriteAsync(input);
        }

        process.StandardInput.Close();
        using var limit = new CancellationTokenSource(Waiting.Limit);
        try
        {
            await process.WaitForExitAsync(limit.Token);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            Assert.Fail($"{file} {string.Join(' ', arguments)} did not end within {Waiting.Limit.TotalSeconds} s:\n{await output}\n{await error}");
        }

        return new Finished(process.ExitCode, await output, await error);
    }
}
