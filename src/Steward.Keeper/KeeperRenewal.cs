using System.Globalization;
using Steward.Core.Ports;
using Steward.Core.Snapshots;
using Steward.Linux.Handover;
using Steward.Linux.Host;

namespace Steward.Keeper;

/// <summary>
/// What a keeper leaves to another image of the program that takes its place in the same process (man 2 execve), while the daemon lives on:
/// the pid, the children, what is held and the conversation with the daemon stay.
/// </summary>
/// <param name="Start">How daemons are started.</param>
/// <param name="Daemon">The pid of the daemon, which answers clients.</param>
/// <param name="Link">The descriptor of the conversation with it.</param>
/// <param name="KnowsPrograms">Whether it has said which children are programs.</param>
/// <param name="Programs">Programs of daemons before it, and of which it has been told that they ended.</param>
internal sealed record KeeperRenewal(KeeperStart Start, int Daemon, int Link, bool KnowsPrograms, IReadOnlyDictionary<int, bool> Programs)
{
    /// <summary>Under which role the conversation stands in the table; a daemon leaves nothing under it.</summary>
    private const string LinkRole = "keeper";

    private const int WordField = 1;
    private const int PathField = 2;
    private const int DetachedField = 3;
    private const int ImageField = 4;
    private const int DaemonField = 5;
    private const int KnowsField = 6;
    private const int ProgramField = 7;
    private const int DescriptorsField = 8;

    // A process that runs has a pid; 1 has no parent that could keep it.
    private const int LeastPid = 2;

    /// <summary>Executes the image that is held as the daemon's. Does not come back when that works.</summary>
    /// <param name="clock">For the origin of what is left.</param>
    /// <returns>Why it did not work; everything is as before.</returns>
    public string Execute(IClock clock)
    {
        if (!Start.Held.TryGetValue(KeeperStart.ImageRole, out int next))
        {
            return "the daemon has left no file to go on with";
        }

        int own = Start.Image is null ? ReExec.OpenOwnImage(out string? failure) : ReExec.OpenImage(Start.Image, out failure);
        if (failure is not null)
        {
            return failure;
        }

        var table = new DescriptorTable();
        table.Add(LinkRole, Link);
        foreach ((string role, int fd) in Start.Held)
        {
            table.Add(role, fd);
        }

        byte[] bytes = Snapshot.Seal(new SnapshotOrigin(StateFile.BootId(), clock.Now, Start.Version), writer => Save(writer, table));
        int state = StateFile.Write(bytes, out failure);
        if (failure is null)
        {
            string handles = string.Create(CultureInfo.InvariantCulture, $"{state}:{own}");
            failure = ReExec.RunImage(next, [Start.Words[0], KeeperStart.RenewWord, handles, .. Start.Words.Skip(1)], table, state, own);
        }

        StateFile.Close(state);
        StateFile.Close(own);
        return failure;
    }

    /// <summary>Is the image that takes a keeper's place, or the one that is gone back to.</summary>
    /// <param name="handles">The descriptors of what is left and of the image to go back to.</param>
    /// <param name="refused">Why the other image refused; null: this is the other one.</param>
    /// <param name="version">The version of this program.</param>
    /// <param name="clock">Monotonic time.</param>
    /// <param name="say">Receives what goes wrong while no daemon could log it.</param>
    /// <returns>The exit status; null when the keeper cannot go on.</returns>
    public static int? Resume(string handles, string? refused, string version, IClock clock, Action<string> say)
    {
        DescriptorTable? table = null;
        int state = -1;
        int before = -1;
        KeeperRenewal left;
        try
        {
            string[] numbers = handles.Split(':');
            state = Number(numbers[0]);
            before = Number(numbers.Length == 2 ? numbers[1] : "-1");
            ReExec.Adopt(state, before);
            byte[] bytes = StateFile.Read(state, out string? failure) ?? throw new InvalidOperationException(failure);
            left = Read(bytes, version, ref table);
        }
        catch (Exception refusal) when (refusal is SnapshotRefusedException or InvalidOperationException or FormatException or OverflowException)
        {
            string reason = string.Concat(refusal.Message.Select(static c => char.IsControl(c) ? ' ' : c));
            if (refused is null && before >= 0)
            {
                // Nothing was touched, and the one before knew how to go on.
                IReadOnlyList<string> words = ProcessArguments.Words;
                string handle = string.Create(CultureInfo.InvariantCulture, $"{state}:-1");
                reason += "; " + ReExec.RunImage(before, [words[0], KeeperStart.KeepOnWord, handle, reason, .. words.Skip(3)], table ?? new DescriptorTable(), state);
            }

            // The daemon takes this process for dead then, and its place.
            say($"the keeper cannot go on: {reason}");
            return null;
        }

        StateFile.Close(state);
        StateFile.Close(before);
        return KeeperProcess.GoOn(left, refused, clock, say);

        static int Number(string text) => int.Parse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture);
    }

    private void Save(SnapshotWriter writer, DescriptorTable table)
    {
        foreach (string word in Start.Words)
        {
            writer.Text(WordField, word);
        }

        writer.Text(PathField, Start.StartPath);
        writer.Flag(DetachedField, Start.IsDetached);
        writer.Text(ImageField, Start.Image);
        writer.Integer(DaemonField, Daemon);
        writer.Flag(KnowsField, KnowsPrograms);
        foreach ((int pid, bool isTold) in Programs)
        {
            writer.Begin(ProgramField);
            writer.Integer(1, pid);
            writer.Flag(2, isTold);
            writer.End();
        }

        table.Save(writer, DescriptorsField);
    }

    private static KeeperRenewal Read(byte[] bytes, string version, ref DescriptorTable? table)
    {
        SnapshotReader reader = Snapshot.Open(bytes, "keeper", StateFile.BootId(), out _);
        List<string> words = reader.Texts(WordField, "words");
        string path = reader.Text(PathField, "path");
        bool isDetached = reader.Flag(DetachedField, "isDetached");
        string? image = reader.OptionalText(ImageField, "image");
        int daemon = reader.Int32(DaemonField, "daemon", LeastPid);
        bool knowsPrograms = reader.Flag(KnowsField, "knowsPrograms");
        var programs = new Dictionary<int, bool>();
        while (reader.Next(ProgramField, "programs", out SnapshotReader program))
        {
            programs[program.Int32(1, "pid", LeastPid)] = program.Flag(2, "isTold");
            program.End();
        }

        table = DescriptorTable.Restore(reader.Record(DescriptorsField, "descriptors"), areOpen: true);
        reader.End();
        int link = table.TryTake(LinkRole);
        if (words.Count == 0 || link < 0)
        {
            throw reader.Refusal("words", "there is no command line, or no conversation");
        }

        var start = new KeeperStart(words, path, isDetached, static () => { })
        {
            Version = version,
            Image = image,
            Held = table.Roles.ToDictionary(static role => role, table.TryTake, StringComparer.Ordinal),
        };
        return new KeeperRenewal(start, daemon, link, knowsPrograms, programs);
    }
}
