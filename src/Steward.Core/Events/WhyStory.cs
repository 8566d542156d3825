using System.Globalization;
using Steward.Core.Model;

namespace Steward.Core.Events;

/// <summary>One line of a story or of a history.</summary>
/// <param name="Wall">When, Unix nanoseconds.</param>
/// <param name="What">One word: <c>started</c>, <c>ready</c>, <c>exited</c>, <c>decided</c> ...</param>
/// <param name="Text">The rest.</param>
/// <param name="Output">The last lines of that run's output; null for none.</param>
public sealed record StoryRow(long Wall, string What, string Text, string? Output = null);

/// <summary>
/// Why a process is in the state it is in: told from its entries of the journal, from the start of the run whose end led here. That is
/// the last run that ended; where that one was a retry, the story goes back to the run that made retrying necessary.
/// </summary>
/// <param name="Name">The process's name for clients.</param>
/// <param name="State">The state it was last seen in; null when the journal has none.</param>
/// <param name="Headline">The answer in one sentence.</param>
/// <param name="Rows">What happened, oldest first; at most <see cref="RowLimit"/>.</param>
/// <param name="Next">What comes next; null when nothing is due.</param>
/// <param name="NextTry">Unix nanoseconds of the next try; null for none.</param>
public sealed record WhyStory(string Name, ProcessState? State, string Headline, EquatableList<StoryRow> Rows, string? Next, long? NextTry)
{
    /// <summary>Rows of a story at most; of more, some in the middle are left out and counted.</summary>
    public const int RowLimit = 40;

    /// <summary>Lines of a run's output that <see cref="Lines"/> shows.</summary>
    public const int OutputLineLimit = 20;

    private const int RowsAtBeginning = 10;

    /// <summary>Tells the story.</summary>
    /// <param name="name">The process's name for clients.</param>
    /// <param name="newestFirst">
    /// Entries, newest first, as read backwards. Those of other processes are passed over; a few hundred of this one are plenty.
    /// </param>
    /// <param name="disabledFor">Why it must not be started; null when it may.</param>
    public static WhyStory Of(string name, IEnumerable<JournalEntry> newestFirst, string? disabledFor = null)
    {
        JournalEntry[] entries = ByRuns([.. newestFirst.Where(entry => entry.Name == name || entry.Fact.Kind == JournalKind.Loss).Reverse()]);
        ProcessState? state = null;
        foreach (JournalEntry entry in entries)
        {
            state = entry.Fact is StateFact change ? change.To : state;
        }

        int end = Array.FindLastIndex(entries, static entry => IsEnd(entry.Fact));
        JournalEntry[] episode = entries[Beginning(entries, end)..];
        int endInEpisode = Array.FindLastIndex(episode, static entry => IsEnd(entry.Fact));
        DecisionFact? decision = null;
        foreach (JournalEntry entry in episode.Skip(endInEpisode + 1))
        {
            decision = entry.Fact as DecisionFact ?? decision;
        }

        JournalFact? last = endInEpisode < 0 ? null : episode[endInEpisode].Fact;
        long? nextTry = state == ProcessState.Backoff ? decision?.Until : null;
        string? next = NextStep(name, state, decision, disabledFor);
        return new WhyStory(name, state, Headlined(name, state, last, decision, episode), Limited(episode), next, nextTry);
    }

    /// <summary>Returns the rows of a history, in the order of the entries.</summary>
    public static IEnumerable<(JournalEntry Entry, StoryRow Row)> History(IEnumerable<JournalEntry> entries)
    {
        foreach (JournalEntry entry in entries)
        {
            yield return (entry, Row(entry));
        }
    }

    /// <summary>Returns the lines for a terminal.</summary>
    /// <param name="now">Unix nanoseconds.</param>
    /// <param name="zone">The time zone of the reader.</param>
    public IEnumerable<string> Lines(long now, TimeZoneInfo zone)
    {
        yield return Headline;
        if (Rows.Count > 0)
        {
            yield return "";
        }

        int width = Rows.Select(static row => row.What.Length).DefaultIfEmpty().Max();
        foreach (StoryRow row in Rows)
        {
            yield return $"  {LocalTime(row.Wall, zone)}  {row.What.PadRight(width)}  {Escaped(row.Text)}";
            foreach (string line in OutputLines(row.Output))
            {
                yield return "    | " + Escaped(line);
            }
        }

        if (Next is not null)
        {
            yield return "";
            yield return NextTry is { } at
                ? $"Next: {Next} at {LocalTime(at, zone)}{(at > now ? $" (in {Duration((at - now) / Moment.Millisecond)})" : "")}."
                : $"Next: {Next}.";
        }
    }

    /// <summary>Describes an entry in a row.</summary>
    public static StoryRow Row(in JournalEntry entry)
    {
        (string what, string text) = entry.Fact switch
        {
            StateFact { To: ProcessState.Running } fact => ("ready", fact.Pid is { } pid ? $"RUNNING with pid {Invariant(pid)}" : "RUNNING"),
            StateFact fact => ("state", $"{fact.From.Name()} -> {fact.To.Name()}{Because(fact.Reason)}"),
            SpawnFact { Error: null } fact => ("started", $"{(fact.Pid is { } pid ? $"pid {Invariant(pid)}" : "no pid known")}{By(fact.By)}"),
            SpawnFact fact => ("failed", $"could not be started{By(fact.By)}: {fact.Error}{(fact.Stage is null ? "" : $" (stage: {fact.Stage})")}"),
            ExitFact fact => ("exited", $"{Ending(fact)}, after {Duration(fact.UptimeMs)}{(fact.Expected || IsUnobserved(fact) ? "" : "; not expected")}"),
            DecisionFact fact => ("decided", $"{Verb(fact)}{Because(fact.Reason)}"),
            RequestFact fact => ("asked", $"{fact.Verb}{By(fact.By)}{Via(fact.Via)}{Because(fact.Reason)}{(fact.Refusal is null ? "" : $"; refused: {fact.Refusal}")}"),
            SignalFact fact => (
                "signal",
                $"{Signals.LogName(fact.Number)} to {(fact.ToGroup ? "the process group of " : "")}pid {Invariant(fact.Pid)}"
                + (fact.Error is null ? "" : $"; refused: {fact.Error}")),
            ConfigFact fact => ("config", $"{Action(fact.Action)}{By(fact.By)}{Via(fact.Via)}{(fact.Changes is null ? "" : $": {OneLine(fact.Changes)}")}"),
            HealthFact fact => ("health", $"{fact.Check}: {(fact.Healthy ? "good" : "not good")}{Because(fact.Detail)}"),
            DaemonFact fact => (
                "daemon", $"steward {fact.Version} {fact.Action.ToString().ToLowerInvariant()}, pid {Invariant(fact.Pid)}{Because(fact.Reason)}"),
            EventFact fact => ("event", $"{fact.Type} {OneLine(fact.Payload)}"),
            ListenerFact fact => (
                "listener",
                fact.Action.ToString().ToLowerInvariant() + (fact.Serial is { } serial ? $" event {Invariant(serial)}" : "")
                + (fact.Count is { } count ? $", {Invariant(count)} in all" : "") + Because(fact.Detail)),
            LossFact fact => ("lost", $"{Invariant(fact.Count)} entries are missing here: {fact.Reason}"),
            UnknownFact fact => ("unknown", $"kind {Invariant(fact.Number)}: {OneLine(fact.Text)}"),
            _ => ("unknown", ""),
        };
        return new StoryRow(entry.Wall, what, text, (entry.Fact as ExitFact)?.Output);
    }

    /// <summary>Writes milliseconds as people say them: <c>0.3s</c>, <c>12s</c>, <c>5m 12s</c>, <c>3h 5m</c>, <c>2d 3h</c>.</summary>
    public static string Duration(long milliseconds)
    {
        milliseconds = Math.Max(0, milliseconds);
        long seconds = milliseconds / 1000;
        FormattableString text = seconds switch
        {
            < 10 => $"{milliseconds / 100 / 10.0:0.#}s",
            < 60 => $"{seconds}s",
            < 3600 => $"{seconds / 60}m {seconds % 60}s",
            < 86400 => $"{seconds / 3600}h {seconds / 60 % 60}m",
            _ => $"{seconds / 86400}d {seconds / 3600 % 24}h",
        };
        return text.ToString(CultureInfo.InvariantCulture);
    }

    /// <summary>Numbers the runs anew: a start of the daemon, and a new definition of the group, begin to count incarnations from one.</summary>
    private static JournalEntry[] ByRuns(JournalEntry[] entries)
    {
        int run = 0;
        int incarnation = 0;
        for (int i = 0; i < entries.Length; i++)
        {
            JournalEntry entry = entries[i];
            if (entry.Incarnation == 0)
            {
                continue;
            }

            if (entry.Incarnation != incarnation || entry.Fact is StateFact { To: ProcessState.Starting })
            {
                run++;
                incarnation = entry.Incarnation;
            }

            entries[i] = entry with { Incarnation = run };
        }

        return entries;
    }

    private static bool IsEnd(JournalFact fact) => fact is ExitFact or SpawnFact { Pid: null };

    /// <summary>Where the story begins: at the run whose end made all the later ones necessary, and at what led to that run.</summary>
    private static int Beginning(JournalEntry[] entries, int end)
    {
        int incarnation = end >= 0 ? entries[end].Incarnation : entries.Select(static entry => entry.Incarnation).LastOrDefault(static i => i != 0);
        int first = FirstOf(entries, incarnation);
        while (first > 0 && IsSequel(entries, incarnation))
        {
            int earlier = entries.Take(first).Select(static entry => entry.Incarnation).LastOrDefault(static i => i != 0);
            if (earlier == 0)
            {
                break;
            }

            incarnation = earlier;
            first = FirstOf(entries, incarnation);
        }

        // Who asked, and what of the configuration was changed just before.
        while (first > 0 && entries[first - 1].Fact is RequestFact or ConfigFact)
        {
            first--;
        }

        return Math.Max(0, first);
    }

    private static int FirstOf(JournalEntry[] entries, int incarnation) =>
        Math.Max(0, Array.FindIndex(entries, entry => entry.Incarnation == incarnation && entry.Fact is not (RequestFact or LossFact)));

    /// <summary>Says whether a run was Steward's own attempt to mend what an earlier one left, and failed before it was up.</summary>
    private static bool IsSequel(JournalEntry[] entries, int incarnation)
    {
        bool isSequel = false;
        foreach (JournalEntry entry in entries)
        {
            if (entry.Incarnation == incarnation)
            {
                if (entry.Fact is StateFact { To: ProcessState.Running })
                {
                    return false;
                }

                isSequel |= entry.Fact is SpawnFact { By: "retry" or "autorestart" };
            }
        }

        return isSequel;
    }

    private static string Headlined(string name, ProcessState? state, JournalFact? last, DecisionFact? decision, JournalEntry[] episode)
    {
        string ended = last switch
        {
            ExitFact fact when IsUnobserved(fact) => "it ended, nobody observed how",
            ExitFact { Signal: null } fact => $"it exited with code {Invariant(fact.Code ?? 0)}",
            ExitFact fact => "it was " + Ending(fact),
            SpawnFact fact => $"it could not be started: {fact.Error}",
            _ => "",
        };
        RequestFact? stop = Last<RequestFact>(episode, static fact => fact.Refusal is null && (fact.Verb is "stop" or "restart" or "shutdown" or "reload"));
        ConfigFact? config = Last<ConfigFact>(episode, static fact => fact.Action is ConfigAction.Changed or ConfigAction.Added or ConfigAction.Removed);
        return state switch
        {
            null => $"{name}: the journal knows nothing of it.",
            ProcessState.Running or ProcessState.Starting when ended.Length == 0 => $"{name} is {state.Value.Name()}.",
            ProcessState.Running or ProcessState.Starting when config is not null =>
                $"{name} is {state.Value.Name()} again: its configuration was changed{By(config.By)}.",
            ProcessState.Running or ProcessState.Starting when stop is not null =>
                $"{name} is {state.Value.Name()} again: {stop.Verb} was asked for{By(stop.By)}.",
            ProcessState.Running or ProcessState.Starting => $"{name} is {state.Value.Name()} again: {ended}, and was started anew.",
            ProcessState.Backoff => $"{name} is in BACKOFF: {ended}{Tries(decision)}.",
            ProcessState.Fatal => $"{name} is FATAL: {ended}{Tries(decision)}. Steward has given up.",
            ProcessState.Exited => $"{name} has EXITED: {ended}.",
            ProcessState.Stopped when stop is not null => $"{name} is STOPPED: {stop.Verb} was asked for{By(stop.By)}{Via(stop.Via)}.",
            ProcessState.Stopped when config is not null => $"{name} is STOPPED: its configuration was {Action(config.Action)}{By(config.By)}.",
            ProcessState.Stopped when ended.Length > 0 => $"{name} is STOPPED: {ended}.",
            _ => $"{name} is {state.Value.Name()}.",
        };
    }

    private static string Tries(DecisionFact? decision) => decision switch
    {
        { Tries: { } tries, Limit: { } limit } => $", attempt {Invariant(tries)} of {Invariant(Math.Max(tries, limit + 1))}",
        { Tries: { } tries } => $", attempt {Invariant(tries)}",
        _ => "",
    };

    private static string? NextStep(string name, ProcessState? state, DecisionFact? decision, string? disabledFor) => state switch
    {
        null => null,
        ProcessState.Backoff or ProcessState.Stopping when disabledFor is not null =>
            NextStep(name, state, decision, disabledFor: null) + $". It is {Disabled(name, disabledFor)}",
        ProcessState.Running or ProcessState.Starting when disabledFor is not null => $"nothing changes by itself. It is {Disabled(name, disabledFor)}",
        _ when disabledFor is not null => $"nothing by itself, as it is {Disabled(name, disabledFor)}",
        ProcessState.Backoff => "another try",
        ProcessState.Fatal => $"nothing by itself. `steward start {name}` tries again",
        ProcessState.Exited when decision?.Decision != DecisionKind.Restart => $"nothing by itself. `steward start {name}` starts it",
        ProcessState.Stopped => $"nothing by itself. `steward start {name}` starts it",
        ProcessState.Stopping => "it is waited for, then killed (stopwaitsecs)",
        _ => null,
    };

    private static string Disabled(string name, string reason) =>
        $"disabled{(reason.Length == 0 ? "" : $" ({OneLine(reason)})")}: nobody can start it before `steward enable {name}`";

    private static EquatableList<StoryRow> Limited(JournalEntry[] episode)
    {
        // Every state but RUNNING is said by the fact that led to it; events say it once more for listeners.
        StoryRow[] rows = [.. episode
            .Where(static entry => entry.Fact is not (StateFact { Reason: null, To: not (ProcessState.Running or ProcessState.Unknown) } or EventFact))
            .Select(static entry => Row(entry))];
        if (rows.Length <= RowLimit)
        {
            return EquatableList.From(rows);
        }

        int left = rows.Length - RowLimit + 1;
        return EquatableList.From(
            rows.Take(RowsAtBeginning)
                .Append(new StoryRow(rows[RowsAtBeginning].Wall, "...", $"{Invariant(left)} more, see `steward history`"))
                .Concat(rows.Skip(RowsAtBeginning + left)));
    }

    private static T? Last<T>(JournalEntry[] entries, Func<T, bool> choose)
        where T : JournalFact
    {
        T? last = null;
        foreach (JournalEntry entry in entries)
        {
            last = entry.Fact is T fact && choose(fact) ? fact : last;
        }

        return last;
    }

    private static bool IsUnobserved(ExitFact fact) => fact is { Signal: null, Code: null };

    private static string Ending(ExitFact fact)
    {
        if (IsUnobserved(fact))
        {
            return "nobody observed how it ended";
        }

        if (fact.Signal is not { } signal)
        {
            return $"exit code {Invariant(fact.Code ?? 0)}" + fact.Code switch
            {
                126 => " (shells say so when the command cannot be executed)",
                127 => " (shells say so when the command is not found)",
                > 128 and <= 192 => $" (shells say so of a death by {Signals.LogName(fact.Code.Value - 128)})",
                _ => "",
            };
        }

        string meaning = fact.OutOfMemory == true ? "out of memory" : signal switch
        {
            4 => "an invalid instruction",
            6 => "it aborted itself",
            7 => "a bus error",
            8 => "an arithmetic error",
            9 when fact.Expected => "",
            9 => fact.OutOfMemory is null ? "by somebody, or by the kernel for want of memory" : "by somebody",
            11 => "an invalid memory access",
            31 => "a forbidden system call",
            _ => "",
        };
        return $"killed by {Signals.LogName(signal)}{(meaning.Length == 0 ? "" : $" ({meaning})")}{(fact.Core == true ? ", core dumped" : "")}";
    }

    private static string Verb(DecisionFact fact) => fact.Decision switch
    {
        DecisionKind.Restart => "start it again",
        DecisionKind.BackOff => "try again later" + (fact.Tries is null ? "" : Tries(fact)),
        DecisionKind.GiveUp => "give up",
        DecisionKind.Leave => "leave it",
        DecisionKind.Stop => "stop it",
        _ => "kill it",
    };

    private static string Action(ConfigAction action) => action switch
    {
        ConfigAction.Reread => "read again",
        ConfigAction.Refused => "refused, nothing was changed",
        _ => action.ToString().ToLowerInvariant(),
    };

    private static string By(string? by) => by is null ? "" : ", by " + by;

    private static string Via(string? via) => via is null ? "" : $" ({via})";

    private static string Because(string? reason) => string.IsNullOrEmpty(reason) ? "" : ": " + OneLine(reason);

    private static string OneLine(string text) => text.TrimEnd('\n').Replace("\n", "; ", StringComparison.Ordinal);

    private static string Invariant(long number) => number.ToString(CultureInfo.InvariantCulture);

    /// <summary>Writes a time for people in their zone.</summary>
    public static string LocalTime(long wall, TimeZoneInfo zone) => TimeZoneInfo
        .ConvertTimeFromUtc(DateTime.UnixEpoch.AddTicks(wall / 100), zone).ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture);

    private static IEnumerable<string> OutputLines(string? output) => string.IsNullOrEmpty(output) ? [] : output.TrimEnd('\n').Split('\n').TakeLast(OutputLineLimit);

    /// <summary>What programs wrote must not steer the terminal.</summary>
    public static string Escaped(string text)
    {
        if (!text.Any(static c => char.IsControl(c) && c != '\t'))
        {
            return text;
        }

        return string.Concat(text.Where(static c => c != '\r').Select(static c =>
            char.IsControl(c) && c != '\t' ? string.Create(CultureInfo.InvariantCulture, $"\\x{(int)c:x2}") : c.ToString()));
    }
}
