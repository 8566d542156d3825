using System.Globalization;
using Steward.Client;
using Steward.Core.Model;

namespace Steward.Cli;

// tail, maintail, fg: logs, once or as they grow.
internal sealed partial class CtlSession
{
    private const int TailBytes = 1600;
    private const string PressToExit = "==> Press Ctrl-C to exit <==";

    private void Tail(string argument)
    {
        if (!UpCheck())
        {
            return;
        }

        string[] words = Words(argument);
        if (words.Length is 0 or > 3)
        {
            Usage(words.Length == 0 ? "Error: too few arguments" : "Error: too many arguments", HelpTexts.Tail);
            return;
        }

        string? modifier = words[0].StartsWith('-') ? words[0] : null;
        if (modifier is not null)
        {
            words = words[1..];
        }

        if (words.Length == 0)
        {
            Refuse("Error: tail requires process name");
            return;
        }

        string name = words[0];
        string channel = words.Length == 1 ? "stdout" : words[^1].ToLowerInvariant();
        if (channel is not ("stdout" or "stderr"))
        {
            Refuse("Error: bad channel " + Core.Config.PythonText.Repr(channel));
            return;
        }

        if (Expand([name]) is not [var one])
        {
            Refuse($"Error: {name} matches several processes, and tail shows one");
            return;
        }

        name = one;
        if (modifier == "-f")
        {
            Follow(LogStream.ProcessPath(name, channel));
            return;
        }

        if (!TryBytes(modifier, out long bytes))
        {
            Refuse("Error: bad argument " + modifier);
            return;
        }

        Answer<string> answer = Ask(client => client.ReadProcessLog(name, channel, -bytes, 0));
        ShowLog(answer, name, "no such process name");
    }

    private void MainTail(string argument)
    {
        if (!UpCheck())
        {
            return;
        }

        string[] words = Words(argument);
        if (words.Length > 1)
        {
            Usage("Error: too many arguments", HelpTexts.MainTail);
        }
        else if (words is ["-f"])
        {
            Follow(LogStream.MainPath);
        }
        else if (!TryBytes(words.Length == 0 ? null : words[0], out long bytes))
        {
            Refuse("Error: bad argument " + words[0]);
        }
        else
        {
            ShowLog(Ask(client => client.ReadLog(-bytes, 0)), "supervisord", null);
        }
    }

    private static bool TryBytes(string? modifier, out long bytes)
    {
        bytes = TailBytes;
        return modifier is null
            || (modifier.StartsWith('-') && long.TryParse(modifier.AsSpan(1), NumberStyles.None, CultureInfo.InvariantCulture, out bytes));
    }

    private void ShowLog(Answer<string> answer, string name, string? badName)
    {
        switch ((FaultCode?)answer.Fault?.Code)
        {
            case FaultCode.NoFile:
                Refuse($"{name}: ERROR (no log file)");
                break;
            case FaultCode.Failed:
                Refuse($"{name}: ERROR (unknown error reading log)");
                break;
            case FaultCode.BadName when badName is not null:
                Refuse($"{name}: ERROR ({badName})");
                break;
            default:
                _out.Line(answer.IsValue ? answer.Value : throw Unexpected(answer));
                break;
        }
    }

    // Until Ctrl-C, or the daemon ends it.
    private void Follow(string path)
    {
        _out.Line(PressToExit);
        _out.Flush();
        LogStream? current = null;
        bool interrupted = false;
        using IDisposable interrupt = OnInterrupt(() =>
        {
            Volatile.Write(ref interrupted, true);
            Volatile.Read(ref current)?.Stop();
        });

        Answer<LogStream> opened = LogStream.Open(ServerAddress.Parse(_url), _credentials, path);
        if (opened.IsValue)
        {
            using LogStream stream = opened.Value;
            Volatile.Write(ref current, stream);
            // Ctrl-C between the two lines before: the handler saw no stream to stop.
            if (!Volatile.Read(ref interrupted))
            {
                Copy(stream);
            }

            Volatile.Write(ref current, null);
        }

        if (Volatile.Read(ref interrupted))
        {
            _out.Line("");
            return;
        }

        if (opened.Failure is { } failure)
        {
            TellStreamFailure(path, failure);
        }

        // The end of a stream that was to go on is worth an exit status: what waits for it has to know.
        Fail(ExitStatus.Generic);
    }

    private void Copy(LogStream stream)
    {
        while (stream.Read(out ReadOnlyMemory<byte> part) is null && !part.IsEmpty)
        {
            _out.Raw(part.Span);
        }
    }

    private void TellStreamFailure(string path, TransportFailure failure)
    {
        _out.Flush();
        _error.Line(failure.Status != 0
            ? string.Create(CultureInfo.InvariantCulture, $"{_url}{path} Cannot read, status code {failure.Status}")
            : $"{_url}{path} Cannot connect, error: {failure.Describe(_url)}");
        _error.Flush();
    }

    private void Foreground(string argument)
    {
        if (!UpCheck())
        {
            return;
        }

        string[] names = Words(argument);
        if (names.Length == 0)
        {
            Usage("ERROR: no process name supplied", HelpTexts.Foreground);
            return;
        }

        if (names.Length > 1)
        {
            Refuse("ERROR: too many process names supplied");
            return;
        }

        string name = names[0];
        Answer<ProcessInfo> answer = Ask(client => client.GetProcessInfo(name));
        if (answer.Fault is { } fault)
        {
            Refuse(fault.Code == (int)FaultCode.BadName ? "ERROR: bad process name supplied" : "ERROR: " + FaultText(fault));
            return;
        }

        ProcessInfo info = answer.IsValue ? answer.Value : throw Unexpected(answer);
        if ((int)info.State != RunningState)
        {
            Refuse("ERROR: process not running");
            return;
        }

        _out.Line(PressToExit);
        _out.Flush();
        bool interrupted = false;
        using IDisposable interrupt = OnInterrupt(() => Volatile.Write(ref interrupted, true));
        // Two readers that write what comes; they are stopped and waited for before the last word.
        using (new Follower(this, name, "stdout"))
        using (new Follower(this, name, "stderr"))
        {
            SendLines(name, () => Volatile.Read(ref interrupted));
        }

        _out.Line("Exiting foreground");
    }

    // Until the input ends, Ctrl-C, or the process does not take any more.
    private void SendLines(string name, Func<bool> interrupted)
    {
        while (_input.ReadLine(interrupted) is { } line)
        {
            Answer<bool> sent = Ask(client => client.SendProcessStdin(name, line + "\n"));
            if (sent.Fault is { Code: not (int)FaultCode.NotRunning } refusal)
            {
                _out.Line("ERROR: " + FaultText(refusal));
                return;
            }

            if (sent.Failure is not null)
            {
                throw Unexpected(sent);
            }

            if (sent.Fault is not null || (int)Demand(client => client.GetProcessInfo(name)).State != RunningState)
            {
                _out.Line("Process got killed");
                return;
            }
        }
    }

    // In the shell Ctrl-C has a meaning for the whole session; alone only while something goes on that it can end.
    private IDisposable OnInterrupt(Action action) => _shellInterrupt is null ? _streams.OnInterrupt(action) : _shellInterrupt.Replace(action);

    /// <summary>A thread that copies one stream to the screen.</summary>
    private sealed class Follower : IDisposable
    {
        private readonly Lock _gate = new();
        private readonly Thread _thread;
        private LogStream? _stream;
        private bool _stopped;

        public Follower(CtlSession session, string name, string channel)
        {
            _thread = new Thread(() => Run(session, LogStream.ProcessPath(name, channel))) { IsBackground = true, Name = "follow " + channel };
            _thread.Start();
        }

        public void Dispose()
        {
            lock (_gate)
            {
                _stopped = true;
                _stream?.Stop();
            }

            // A thread that still connects is in the kernel's hands; as a background thread it keeps nobody.
            _thread.Join(TimeSpan.FromSeconds(5));
        }

        private void Run(CtlSession session, string path)
        {
            Answer<LogStream> opened = LogStream.Open(ServerAddress.Parse(session._url), session._credentials, path);
            if (!opened.IsValue)
            {
                // Like a stderr log that does not exist: the other stream goes on.
                if (!Volatile.Read(ref _stopped))
                {
                    session.TellStreamFailure(path, opened.Failure!);
                }

                return;
            }

            using LogStream stream = opened.Value;
            lock (_gate)
            {
                if (_stopped)
                {
                    return;
                }

                _stream = stream;
            }

            try
            {
                session.Copy(stream);
            }
            catch (IOException)
            {
                // Nobody reads the output any more; the main thread meets the same at its next line and ends.
            }

            lock (_gate)
            {
                _stream = null;
            }
        }
    }
}
