using Steward.Core.Model;

namespace Steward.Core.Events;

/// <summary>The kinds of facts. The numbers stand in journals on disk and never change; the names are in <see cref="JournalKinds"/>.</summary>
public enum JournalKind
{
    /// <summary>Written by a newer Steward; see <see cref="UnknownFact"/>.</summary>
    Unknown = 0,

    /// <summary>See <see cref="StateFact"/>.</summary>
    State = 1,

    /// <summary>See <see cref="SpawnFact"/>.</summary>
    Spawn = 2,

    /// <summary>See <see cref="ExitFact"/>.</summary>
    Exit = 3,

    /// <summary>See <see cref="DecisionFact"/>.</summary>
    Decision = 4,

    /// <summary>See <see cref="RequestFact"/>.</summary>
    Request = 5,

    /// <summary>See <see cref="SignalFact"/>.</summary>
    Signal = 6,

    /// <summary>See <see cref="ConfigFact"/>.</summary>
    Config = 7,

    /// <summary>See <see cref="HealthFact"/>.</summary>
    Health = 8,

    /// <summary>See <see cref="DaemonFact"/>.</summary>
    Daemon = 9,

    /// <summary>See <see cref="EventFact"/>.</summary>
    Event = 10,

    /// <summary>See <see cref="ListenerFact"/>.</summary>
    Listener = 11,

    /// <summary>See <see cref="LossFact"/>.</summary>
    Loss = 12,
}

/// <summary>Names of <see cref="JournalKind"/> for clients.</summary>
public static class JournalKinds
{
    // Index = JournalKind.
    private static readonly string[] Names =
    [
        "unknown", "state", "spawn", "exit", "decision", "request", "signal", "config", "health", "daemon", "event", "listener", "loss",
    ];

    /// <summary>Every kind that can be asked for.</summary>
    public static IEnumerable<string> All => Names.Skip(1);

    /// <summary>Returns the lower-case name that clients and JSON use.</summary>
    public static string Name(this JournalKind kind) => (uint)kind < (uint)Names.Length ? Names[(int)kind] : Names[0];

    /// <summary>Finds a kind by its name; null for one that does not exist.</summary>
    public static JournalKind? FromName(string name) => Array.IndexOf(Names, name, 1) is > 0 and int found ? (JournalKind)found : null;
}

/// <summary>
/// What happened. The set is closed: every member is in this file. Members are only ever added, with null for "not known" in older
/// entries; a fact that would change its meaning becomes a new kind.
/// </summary>
public abstract record JournalFact
{
    /// <summary>Characters that are kept of a long text; of a run's output the last ones, of everything else the first.</summary>
    public const int TextLimit = 8192;

    /// <summary>The kind.</summary>
    public abstract JournalKind Kind { get; }

    /// <summary>Characters of text in it; at most a few times <see cref="TextLimit"/> once it is <see cref="Bounded"/>.</summary>
    public virtual int TextLength => 0;

    /// <summary>Returns the fact with its texts cut to <see cref="TextLimit"/>; itself when nothing is too long.</summary>
    public virtual JournalFact Bounded() => this;

    /// <summary>Keeps the beginning of a text, and says so at its end.</summary>
    protected static string? Head(string? text)
    {
        if (text is null || text.Length <= TextLimit)
        {
            return text;
        }

        int end = TextLimit - 1;
        return string.Concat(text.AsSpan(0, char.IsHighSurrogate(text[end - 1]) ? end - 1 : end), "…");
    }

    /// <summary>Keeps the end of a text, from the beginning of a line where one begins in what is kept.</summary>
    protected static string? Tail(string? text)
    {
        if (text is null || text.Length <= TextLimit)
        {
            return text;
        }

        int start = text.Length - TextLimit;
        int line = text.IndexOf('\n', start - 1) + 1;
        if (line > 0 && line < text.Length)
        {
            return text[line..];
        }

        return text[(char.IsLowSurrogate(text[start]) ? start + 1 : start)..];
    }

    /// <summary>The length of a text that may be missing.</summary>
    protected static int Length(string? text) => text?.Length ?? 0;
}

/// <summary>A process changed its state.</summary>
/// <param name="From">The state it left.</param>
/// <param name="To">The state it entered.</param>
/// <param name="Pid">The child's pid; null for none.</param>
/// <param name="Tries">Failed attempts to start so far, for STARTING and BACKOFF; null otherwise.</param>
/// <param name="Reason">Why, where no other fact says it.</param>
public sealed record StateFact(ProcessState From, ProcessState To, int? Pid = null, int? Tries = null, string? Reason = null) : JournalFact
{
    /// <inheritdoc/>
    public override JournalKind Kind => JournalKind.State;

    /// <inheritdoc/>
    public override int TextLength => Length(Reason);

    /// <inheritdoc/>
    public override JournalFact Bounded() => Length(Reason) <= TextLimit ? this : this with { Reason = Head(Reason) };
}

/// <summary>An attempt to start a program: a child exists, or the error says why not.</summary>
/// <param name="Pid">The child's pid; null when it failed.</param>
/// <param name="Error">Why it failed; null on success.</param>
/// <param name="Stage">The step at which it failed, for example <c>chdir</c> or <c>exec</c>; null on success.</param>
/// <param name="Tries">Failed attempts before this one; null when not known.</param>
/// <param name="By">Who wanted the start: <c>autostart</c>, <c>autorestart</c>, <c>retry</c>, or a user.</param>
/// <param name="Command">The command line, where the journal may show it.</param>
public sealed record SpawnFact(int? Pid, string? Error = null, string? Stage = null, int? Tries = null, string? By = null, string? Command = null)
    : JournalFact
{
    /// <inheritdoc/>
    public override JournalKind Kind => JournalKind.Spawn;

    /// <inheritdoc/>
    public override int TextLength => Length(Error) + Length(Stage) + Length(By) + Length(Command);

    /// <inheritdoc/>
    public override JournalFact Bounded() => TextLength <= TextLimit
        ? this
        : this with { Error = Head(Error), Stage = Head(Stage), By = Head(By), Command = Head(Command) };
}

/// <summary>A run ended.</summary>
/// <param name="Pid">The pid it had.</param>
/// <param name="Code">The exit code; null for a death by signal. Without a code and without a signal nobody observed how it ended.</param>
/// <param name="Signal">The signal that ended it; null for none.</param>
/// <param name="Core">Whether a core file was written; null for a normal exit.</param>
/// <param name="Expected">Whether the code is one of <c>exitcodes</c>, or the end was asked for.</param>
/// <param name="OutOfMemory">True when the kernel killed it for want of memory; null when that is not known.</param>
/// <param name="UptimeMs">Milliseconds from its start to its end.</param>
/// <param name="Output">The last lines that this run wrote to stdout and stderr; null for none.</param>
public sealed record ExitFact(
    int Pid, int? Code, int? Signal, bool? Core, bool Expected, bool? OutOfMemory, long UptimeMs, string? Output = null) : JournalFact
{
    /// <inheritdoc/>
    public override JournalKind Kind => JournalKind.Exit;

    /// <inheritdoc/>
    public override int TextLength => Length(Output);

    /// <summary>Makes the fact from a wait status.</summary>
    public static ExitFact Of(int pid, WaitStatus status, bool expected, bool? outOfMemory, long uptimeMs, string? output) => new(
        pid, status.Signalled || status.IsUnobserved ? null : status.Code, status.Signalled ? status.Signal : null, status.Signalled ? status.CoreDumped : null,
        expected, outOfMemory, uptimeMs, output);

    /// <inheritdoc/>
    public override JournalFact Bounded() => Length(Output) <= TextLimit ? this : this with { Output = Tail(Output) };
}

/// <summary>What Steward can decide about a process by itself.</summary>
public enum DecisionKind
{
    /// <summary>Start it again at once.</summary>
    Restart,

    /// <summary>Try again later.</summary>
    BackOff,

    /// <summary>Try no more: FATAL.</summary>
    GiveUp,

    /// <summary>Leave it as it is.</summary>
    Leave,

    /// <summary>Stop it.</summary>
    Stop,

    /// <summary>SIGKILL, as the stop signal was not enough.</summary>
    Kill,
}

/// <summary>Steward decided something about a process.</summary>
/// <param name="Decision">What.</param>
/// <param name="Reason">Why, for example <c>autorestart=unexpected and exit code 3 is not in exitcodes=0</c>.</param>
/// <param name="Until">Unix nanoseconds of the next try; null for none.</param>
/// <param name="Tries">Failed attempts so far; null where they do not matter.</param>
/// <param name="Limit"><c>startretries</c>; null where it does not matter.</param>
public sealed record DecisionFact(DecisionKind Decision, string Reason, long? Until = null, int? Tries = null, int? Limit = null) : JournalFact
{
    /// <inheritdoc/>
    public override JournalKind Kind => JournalKind.Decision;

    /// <inheritdoc/>
    public override int TextLength => Length(Reason);

    /// <inheritdoc/>
    public override JournalFact Bounded() => Length(Reason) <= TextLimit ? this : this with { Reason = Head(Reason)! };
}

/// <summary>Somebody asked for something.</summary>
/// <param name="Verb">What: <c>start</c>, <c>stop</c>, <c>restart</c>, <c>signal HUP</c>, <c>clear</c>, <c>disable</c>, <c>enable</c>, <c>shutdown</c>.</param>
/// <param name="By">Who: a user's name, <c>uid 1000</c>, <c>hook:NAME</c>, <c>pid 1</c>; null when it cannot be known.</param>
/// <param name="Via">Which way: <c>unix socket</c>, <c>127.0.0.1:52114</c>, <c>signal</c>.</param>
/// <param name="Refusal">Why it was refused; null when it was not.</param>
/// <param name="Reason">Why, in the words of who asked; null when they said nothing.</param>
public sealed record RequestFact(string Verb, string? By, string? Via, string? Refusal = null, string? Reason = null) : JournalFact
{
    /// <inheritdoc/>
    public override JournalKind Kind => JournalKind.Request;

    /// <inheritdoc/>
    public override int TextLength => Length(Verb) + Length(By) + Length(Via) + Length(Refusal) + Length(Reason);

    /// <inheritdoc/>
    public override JournalFact Bounded() => TextLength <= TextLimit
        ? this
        : this with { Verb = Head(Verb)!, By = Head(By), Via = Head(Via), Refusal = Head(Refusal), Reason = Head(Reason) };
}

/// <summary>A signal was sent to a process.</summary>
/// <param name="Number">The signal.</param>
/// <param name="Pid">To whom.</param>
/// <param name="ToGroup">Whether to the whole process group.</param>
/// <param name="Error">Why the kernel refused; null when it was delivered.</param>
public sealed record SignalFact(int Number, int Pid, bool ToGroup, string? Error = null) : JournalFact
{
    /// <inheritdoc/>
    public override JournalKind Kind => JournalKind.Signal;

    /// <inheritdoc/>
    public override int TextLength => Length(Error);

    /// <inheritdoc/>
    public override JournalFact Bounded() => Length(Error) <= TextLimit ? this : this with { Error = Head(Error) };
}

/// <summary>What can happen to the configuration.</summary>
public enum ConfigAction
{
    /// <summary>The files were read again.</summary>
    Reread,

    /// <summary>A group was added.</summary>
    Added,

    /// <summary>A group was replaced because its definition changed.</summary>
    Changed,

    /// <summary>A group was removed.</summary>
    Removed,

    /// <summary>The whole daemon was reloaded.</summary>
    Reloaded,

    /// <summary>The files have faults; nothing was changed.</summary>
    Refused,
}

/// <summary>The configuration changed, or could not be changed.</summary>
/// <param name="Action">What happened.</param>
/// <param name="Changes">What is different, one <c>key: old -> new</c> a line; or the faults. Secrets are not shown.</param>
/// <param name="By">Who asked for it.</param>
/// <param name="Via">Which way.</param>
public sealed record ConfigFact(ConfigAction Action, string? Changes = null, string? By = null, string? Via = null) : JournalFact
{
    /// <inheritdoc/>
    public override JournalKind Kind => JournalKind.Config;

    /// <inheritdoc/>
    public override int TextLength => Length(Changes) + Length(By) + Length(Via);

    /// <inheritdoc/>
    public override JournalFact Bounded() => TextLength <= TextLimit ? this : this with { Changes = Head(Changes), By = Head(By), Via = Head(Via) };
}

/// <summary>A process became ready or not, healthy or not.</summary>
/// <param name="Check">Which check: <c>ready</c>, <c>http</c>, <c>memory</c>.</param>
/// <param name="Healthy">Its verdict.</param>
/// <param name="Detail">What was seen.</param>
public sealed record HealthFact(string Check, bool Healthy, string? Detail = null) : JournalFact
{
    /// <inheritdoc/>
    public override JournalKind Kind => JournalKind.Health;

    /// <inheritdoc/>
    public override int TextLength => Length(Check) + Length(Detail);

    /// <inheritdoc/>
    public override JournalFact Bounded() => TextLength <= TextLimit ? this : this with { Check = Head(Check)!, Detail = Head(Detail) };
}

/// <summary>What can happen to the daemon.</summary>
public enum DaemonAction
{
    /// <summary>It started.</summary>
    Started,

    /// <summary>It began to stop everything.</summary>
    Stopping,

    /// <summary>It is about to end.</summary>
    Stopped,

    /// <summary>It replaced its own executable; the programs went on.</summary>
    Upgraded,

    /// <summary>It was started again after it had died; the programs went on.</summary>
    Recovered,
}

/// <summary>Something happened to the daemon itself.</summary>
/// <param name="Action">What.</param>
/// <param name="Version">The version that speaks.</param>
/// <param name="Pid">Its pid.</param>
/// <param name="Reason">Why, for example <c>SIGTERM</c>.</param>
public sealed record DaemonFact(DaemonAction Action, string Version, int Pid, string? Reason = null) : JournalFact
{
    /// <inheritdoc/>
    public override JournalKind Kind => JournalKind.Daemon;

    /// <inheritdoc/>
    public override int TextLength => Length(Version) + Length(Reason);

    /// <inheritdoc/>
    public override JournalFact Bounded() => TextLength <= TextLimit ? this : this with { Version = Head(Version)!, Reason = Head(Reason) };
}

/// <summary>An event as listeners get it.</summary>
/// <param name="Type">Its concrete type, for example <c>PROCESS_STATE_EXITED</c>; a text, as extensions may add types.</param>
/// <param name="Serial">Its serial; null when no pool took it.</param>
/// <param name="Payload">Its payload.</param>
public sealed record EventFact(string Type, long? Serial, string Payload) : JournalFact
{
    /// <inheritdoc/>
    public override JournalKind Kind => JournalKind.Event;

    /// <inheritdoc/>
    public override int TextLength => Length(Type) + Length(Payload);

    /// <inheritdoc/>
    public override JournalFact Bounded() => TextLength <= TextLimit ? this : this with { Type = Head(Type)!, Payload = Head(Payload)! };
}

/// <summary>What can happen to an event on its way.</summary>
public enum ListenerAction
{
    /// <summary>The listener rejected it; it will be sent again.</summary>
    Rejected,

    /// <summary>The pool's buffer was full; it was dropped.</summary>
    Overflowed,

    /// <summary>The listener broke the protocol.</summary>
    Violated,

    /// <summary>The pool was removed with events in its buffer.</summary>
    Abandoned,
}

/// <summary>Something went wrong with an event listener; the entry's group is the pool.</summary>
/// <param name="Action">What.</param>
/// <param name="Serial">The event's serial; null when it is not about one event.</param>
/// <param name="Count">How many events.</param>
/// <param name="Detail">More, for example the bytes that broke the protocol.</param>
public sealed record ListenerFact(ListenerAction Action, long? Serial = null, long? Count = null, string? Detail = null) : JournalFact
{
    /// <inheritdoc/>
    public override JournalKind Kind => JournalKind.Listener;

    /// <inheritdoc/>
    public override int TextLength => Length(Detail);

    /// <inheritdoc/>
    public override JournalFact Bounded() => Length(Detail) <= TextLimit ? this : this with { Detail = Head(Detail) };
}

/// <summary>Entries are missing at this place.</summary>
/// <param name="Count">How many.</param>
/// <param name="First">Unix nanoseconds of the first of them.</param>
/// <param name="Last">Unix nanoseconds of the last of them.</param>
/// <param name="Reason">Why, for example <c>the queue was full</c>.</param>
public sealed record LossFact(long Count, long First, long Last, string Reason) : JournalFact
{
    /// <inheritdoc/>
    public override JournalKind Kind => JournalKind.Loss;

    /// <inheritdoc/>
    public override int TextLength => Length(Reason);

    /// <inheritdoc/>
    public override JournalFact Bounded() => Length(Reason) <= TextLimit ? this : this with { Reason = Head(Reason)! };
}

/// <summary>A fact that this version cannot read: a newer one wrote it, or the disk changed it. Never written.</summary>
/// <param name="Number">The number of its kind.</param>
/// <param name="Text">What is stored.</param>
public sealed record UnknownFact(int Number, string Text) : JournalFact
{
    /// <inheritdoc/>
    public override JournalKind Kind => JournalKind.Unknown;

    /// <inheritdoc/>
    public override int TextLength => Length(Text);
}
