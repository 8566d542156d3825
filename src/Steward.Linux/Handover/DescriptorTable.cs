using System.Globalization;
using Steward.Core.Snapshots;
using Steward.Linux.Interop;
using Steward.Linux.Output;

namespace Steward.Linux.Handover;

/// <summary>
/// The descriptors that one image of the program leaves to the next: under which number the one for a role stands, and which file that
/// is. A number alone is no proof: what stands there is compared with what was written down before anything is done with it.
/// </summary>
public sealed unsafe class DescriptorTable
{
    private readonly SortedDictionary<string, Entry> _entries = new(StringComparer.Ordinal);

    /// <summary>Adds a descriptor that stays its owner's; a role has one.</summary>
    /// <exception cref="InvalidOperationException">The role is taken, or nothing is open under the number: a defect.</exception>
    public void Add(string role, int fd)
    {
        if (Look(fd) is not { } entry || !_entries.TryAdd(role, entry))
        {
            throw new InvalidOperationException($"The descriptor {fd} cannot be left as {role}.");
        }
    }

    /// <summary>Writes the table down as a field.</summary>
    public void Save(SnapshotWriter writer, int field)
    {
        writer.Begin(field);
        foreach ((string role, Entry entry) in _entries)
        {
            writer.Begin(1);
            writer.Text(1, role);
            writer.Integer(2, entry.Fd);
            writer.Integer(3, entry.Identity.Major);
            writer.Integer(4, entry.Identity.Minor);
            writer.Integer(5, (long)entry.Identity.Inode);
            writer.Integer(6, entry.Type);
            writer.Integer(7, entry.Access);
            writer.End();
        }

        writer.End();
    }

    /// <summary>Reads a table.</summary>
    /// <param name="reader">Where from.</param>
    /// <param name="areOpen">
    /// Whether the descriptors are here: each is compared then, and closes at the next exec. False in a rehearsal, which has none of them.
    /// </param>
    /// <exception cref="SnapshotRefusedException">It cannot be taken up, or something else stands under a number.</exception>
    public static DescriptorTable Restore(SnapshotReader reader, bool areOpen)
    {
        var table = new DescriptorTable();
        var numbers = new HashSet<int>();
        while (reader.Next(1, "entries", out SnapshotReader inner))
        {
            string role = inner.Text(1, "role");
            var entry = new Entry(
                inner.Int32(2, "fd", 3),
                new FileIdentity(
                    (uint)inner.Integer(3, "major", 0, uint.MaxValue), (uint)inner.Integer(4, "minor", 0, uint.MaxValue), (ulong)inner.Integer(5, "inode")),
                inner.Int32(6, "type"),
                inner.Int32(7, "access"));
            inner.End();
            if (!numbers.Add(entry.Fd) || !table._entries.TryAdd(role, entry))
            {
                throw inner.Refusal("role", $"{role} or its number {entry.Fd} is there twice");
            }

            if (areOpen && Look(entry.Fd) != entry)
            {
                throw inner.Refusal("fd", $"what stands under {entry.Fd} is not what was left as {role}");
            }
        }

        reader.End();
        if (areOpen)
        {
            table.SetInherited(false);
        }

        return table;
    }

    /// <summary>Takes a descriptor over: whoever asks owns it from here on.</summary>
    /// <param name="reader">Who asks, for the refusal.</param>
    /// <param name="role">What for.</param>
    /// <exception cref="SnapshotRefusedException">There is none, or it is taken.</exception>
    public int Take(in SnapshotReader reader, string role) => TakeEntry(reader, role).Fd;

    /// <summary>Says whether there is a descriptor for a role that nobody has taken yet.</summary>
    public bool Has(string role) => _entries.TryGetValue(role, out Entry? entry) && !entry.IsTaken;

    /// <summary>What nobody has taken yet.</summary>
    public IReadOnlyList<string> Roles => [.. _entries.Where(static entry => !entry.Value.IsTaken).Select(static entry => entry.Key)];

    /// <summary>The number for a role, whoever has it.</summary>
    public IReadOnlyDictionary<string, int> Numbers => _entries.ToDictionary(static entry => entry.Key, static entry => entry.Value.Fd, StringComparer.Ordinal);

    /// <summary>Takes a descriptor over, where there is one that nobody has taken.</summary>
    /// <returns>Its number; -1 when there is none.</returns>
    public int TryTake(string role)
    {
        if (!Has(role))
        {
            return -1;
        }

        _entries[role].IsTaken = true;
        return _entries[role].Fd;
    }

    /// <summary>Closes what nobody took.</summary>
    public void CloseRest()
    {
        foreach (Entry entry in _entries.Values)
        {
            if (!entry.IsTaken)
            {
                entry.IsTaken = true;
                _ = LibC.close(entry.Fd);
            }
        }
    }

    /// <summary>Sets whether the descriptors stay open at exec.</summary>
    internal void SetInherited(bool inherited)
    {
        foreach (Entry entry in _entries.Values)
        {
            _ = LibC.fcntl(entry.Fd, LibC.F_SETFD, inherited ? 0 : LibC.FD_CLOEXEC);
        }
    }

    /// <summary>Takes over what a log is written to.</summary>
    internal LogFile.Opened TakeLog(in SnapshotReader reader, string role, bool isShared, long size)
    {
        Entry entry = TakeEntry(reader, role);
        return new LogFile.Opened(
            entry.Fd, IsFile: entry.Type == LibC.S_IFREG, IsSocket: entry.Type == LibC.S_IFSOCK, isShared, size, entry.Identity);
    }

    private Entry TakeEntry(in SnapshotReader reader, string role)
    {
        if (!_entries.TryGetValue(role, out Entry? entry) || entry.IsTaken)
        {
            throw reader.Refusal("descriptor", string.Create(CultureInfo.InvariantCulture, $"there is none that was left as {role}"));
        }

        entry.IsTaken = true;
        return entry;
    }

    private static Entry? Look(int fd)
    {
        LibC.StatX stat;
        int flags = LibC.fcntl(fd, LibC.F_GETFL, 0);
        return flags >= 0 && LibC.statx(fd, "", LibC.AT_EMPTY_PATH, LibC.STATX_BASIC_STATS, &stat) == 0
            ? new Entry(fd, new FileIdentity(stat.DeviceMajor, stat.DeviceMinor, stat.Inode), stat.Type, flags & LibC.O_ACCMODE)
            : null;
    }

    private sealed record Entry(int Fd, FileIdentity Identity, int Type, int Access)
    {
        // Not part of what is compared.
        private bool _isTaken;

        public bool IsTaken
        {
            get => _isTaken;
            set => _isTaken = value;
        }

        public bool Equals(Entry? other) =>
            other is not null && Fd == other.Fd && Identity == other.Identity && Type == other.Type && Access == other.Access;

        public override int GetHashCode() => HashCode.Combine(Fd, Identity, Type, Access);
    }
}
