using System.Text;
using Steward.Core.Config;

namespace Steward.Linux.Processes;

/// <summary>Everything that is to be true of a child when its program begins.</summary>
internal sealed record ChildPlan
{
    private const int Version = 2;

    /// <summary>The file to execute.</summary>
    public required byte[] File { get; init; }

    /// <summary>argv, the first word as written.</summary>
    public required IReadOnlyList<byte[]> Arguments { get; init; }

    /// <summary>envp.</summary>
    public required IReadOnlyList<byte[]> Environment { get; init; }

    /// <summary>What becomes descriptor 0; all three are 3 or higher, or already in their place.</summary>
    public required int Stdin { get; init; }

    /// <summary>What becomes descriptor 1.</summary>
    public required int Stdout { get; init; }

    /// <summary>What becomes descriptor 2.</summary>
    public required int Stderr { get; init; }

    /// <summary>Whom the child becomes; null: it stays who the daemon is.</summary>
    public UserIdentity? User { get; init; }

    /// <summary>Where it changes to; null: nowhere.</summary>
    public byte[]? Directory { get; init; }

    /// <summary>Its umask; null: the daemon's.</summary>
    public int? Umask { get; init; }

    /// <summary>Its soft RLIMIT_NOFILE; null: the daemon's.</summary>
    public long? NoFile { get; init; }

    /// <summary>The <c>cgroup.procs</c> of the control group it joins before anything else; null: it stays in the daemon's.</summary>
    public byte[]? ControlGroup { get; init; }

    /// <summary>Writes the plan for another process of the same program; the descriptors are expected in their place there.</summary>
    public byte[] Serialize()
    {
        using var stream = new MemoryStream();
        using var writer = new BinaryWriter(stream);
        writer.Write(Version);
        WriteBytes(writer, File);
        WriteList(writer, Arguments);
        WriteList(writer, Environment);
        writer.Write(User is not null);
        if (User is not null)
        {
            writer.Write(User.Name);
            writer.Write(User.Uid);
            writer.Write(User.Gid);
            writer.Write(User.Groups.Count);
            foreach (int group in User.Groups)
            {
                writer.Write(group);
            }
        }

        writer.Write(Directory is not null);
        WriteBytes(writer, Directory ?? []);
        writer.Write(Umask ?? -1);
        writer.Write(NoFile ?? -1);
        writer.Write(ControlGroup is not null);
        WriteBytes(writer, ControlGroup ?? []);
        writer.Flush();
        return stream.ToArray();
    }

    /// <summary>Reads what <see cref="Serialize"/> wrote.</summary>
    /// <exception cref="InvalidDataException">It was written by another version.</exception>
    public static ChildPlan Deserialize(byte[] data)
    {
        using var reader = new BinaryReader(new MemoryStream(data), Encoding.UTF8);
        if (reader.ReadInt32() != Version)
        {
            throw new InvalidDataException("The plan of a child was written by another version of this program; restart the daemon.");
        }

        byte[] file = reader.ReadBytes(reader.ReadInt32());
        byte[][] arguments = ReadList(reader);
        byte[][] environment = ReadList(reader);
        UserIdentity? user = null;
        if (reader.ReadBoolean())
        {
            string name = reader.ReadString();
            int uid = reader.ReadInt32();
            int gid = reader.ReadInt32();
            int[] groups = new int[reader.ReadInt32()];
            for (int i = 0; i < groups.Length; i++)
            {
                groups[i] = reader.ReadInt32();
            }

            user = new UserIdentity(name, uid, gid, [.. groups]);
        }

        bool hasDirectory = reader.ReadBoolean();
        byte[] directory = reader.ReadBytes(reader.ReadInt32());
        int umask = reader.ReadInt32();
        long noFile = reader.ReadInt64();
        bool hasControlGroup = reader.ReadBoolean();
        byte[] controlGroup = reader.ReadBytes(reader.ReadInt32());
        return new ChildPlan
        {
            File = file,
            Arguments = arguments,
            Environment = environment,
            Stdin = 0,
            Stdout = 1,
            Stderr = 2,
            User = user,
            Directory = hasDirectory ? directory : null,
            Umask = umask < 0 ? null : umask,
            NoFile = noFile < 0 ? null : noFile,
            ControlGroup = hasControlGroup ? controlGroup : null,
        };
    }

    private static void WriteBytes(BinaryWriter writer, byte[] bytes)
    {
        writer.Write(bytes.Length);
        writer.Write(bytes);
    }

    private static void WriteList(BinaryWriter writer, IReadOnlyList<byte[]> items)
    {
        writer.Write(items.Count);
        foreach (byte[] item in items)
        {
            WriteBytes(writer, item);
        }
    }

    private static byte[][] ReadList(BinaryReader reader)
    {
        byte[][] items = new byte[reader.ReadInt32()][];
        for (int i = 0; i < items.Length; i++)
        {
            items[i] = reader.ReadBytes(reader.ReadInt32());
        }

        return items;
    }
}
