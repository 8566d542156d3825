using System.Buffers.Binary;
using Steward.Core.Model;

namespace Steward.Core.Snapshots;

/// <summary>Where and when a snapshot was written.</summary>
/// <param name="BootId">The kernel's id of this start of the machine (<c>/proc/sys/kernel/random/boot_id</c>).</param>
/// <param name="SavedAt">The time of writing.</param>
/// <param name="Program">The version of the program that wrote it; for messages only.</param>
public sealed record SnapshotOrigin(string BootId, Moment SavedAt, string Program);

/// <summary>
/// The outermost layer of everything that is written down and read back: what it is, that it is whole, and that it is of this start of
/// the machine.
/// </summary>
/// <remarks>
/// <para>Format 1, numbers little-endian: 8 bytes <c>STEWSNAP</c>; 4 bytes format; 4 bytes length of the body; the body, which is a
/// record; 4 bytes CRC-32C (Castagnoli) of all before.</para>
/// <para>A record is a sequence of fields in ascending order of their numbers; a list is a field that comes several times. A field is a
/// tag (LEB128, at most 4 bytes) of <c>number × 4 + kind</c>, and a value. Kinds: 0 an integer (zigzag, LEB128), 1 bytes or a record, 2 text in
/// UTF-8, 3 text in UTF-16 (of which UTF-8 has no notation: halves of surrogate pairs, which stand for bytes of file names that are
/// not UTF-8). Kinds 1 to 3 begin with 4 bytes of length.</para>
/// <para>How it may grow: a number keeps its meaning for ever. A new field that an older reader may ignore gets a number below
/// <see cref="FirstVital"/>, one that it must not ignore a number from there on; readers skip unknown fields of the first sort and
/// refuse those of the second. A field that older writers did not write is read as optional. The format number changes only when
/// these rules do.</para>
/// <para>Monotonic times are absolute: they hold on the same start of the machine, and on another one nothing of what a snapshot tells
/// of is alive, so it is refused there.</para>
/// </remarks>
public static class Snapshot
{
    /// <summary>The format written and read here.</summary>
    public const int Format = 1;

    /// <summary>Unknown fields with numbers from here on make a reader refuse.</summary>
    public const int FirstVital = 512;

    private const int HeaderLength = 16;
    private const int TrailerLength = 4;
    private const int ContentField = 5;

    private static ReadOnlySpan<byte> Magic => "STEWSNAP"u8;

    /// <summary>Makes a snapshot of a content.</summary>
    /// <param name="origin">Where and when.</param>
    /// <param name="content">Writes the content, a record.</param>
    public static byte[] Seal(SnapshotOrigin origin, Action<SnapshotWriter> content)
    {
        var writer = new SnapshotWriter();
        writer.Raw(Magic);
        writer.Raw(stackalloc byte[HeaderLength - Magic.Length]);
        writer.Text(1, origin.BootId);
        writer.Integer(2, origin.SavedAt.Monotonic);
        writer.Integer(3, origin.SavedAt.Wall);
        writer.Text(4, origin.Program);
        writer.Begin(ContentField);
        content(writer);
        writer.End();
        Span<byte> written = writer.Written;
        BinaryPrimitives.WriteInt32LittleEndian(written[8..], Format);
        BinaryPrimitives.WriteInt32LittleEndian(written[12..], written.Length - HeaderLength);
        Span<byte> checksum = stackalloc byte[TrailerLength];
        BinaryPrimitives.WriteUInt32LittleEndian(checksum, Crc32C.Of(written));
        writer.Raw(checksum);
        return writer.Written.ToArray();
    }

    /// <summary>Makes a record by itself: no more than its fields, for a log that vouches for what it holds.</summary>
    /// <param name="content">Writes the fields.</param>
    public static byte[] Record(Action<SnapshotWriter> content)
    {
        var writer = new SnapshotWriter();
        content(writer);
        return writer.Written.ToArray();
    }

    /// <summary>Opens a record that <see cref="Record"/> made.</summary>
    /// <param name="bytes">All of it.</param>
    /// <param name="name">What it is called in refusals.</param>
    public static SnapshotReader OpenRecord(ReadOnlySpan<byte> bytes, string name) => new(bytes, name);

    /// <summary>Opens a snapshot and returns the reader of its content.</summary>
    /// <param name="bytes">The whole snapshot.</param>
    /// <param name="name">What the content is called in refusals.</param>
    /// <param name="bootId">The id of the present start of the machine.</param>
    /// <param name="origin">Where and when it was written.</param>
    /// <exception cref="SnapshotRefusedException">It cannot be taken up.</exception>
    public static SnapshotReader Open(ReadOnlySpan<byte> bytes, string name, string bootId, out SnapshotOrigin origin)
    {
        if (bytes.Length < HeaderLength + TrailerLength || !bytes.StartsWith(Magic))
        {
            throw new SnapshotRefusedException(0, "magic", "this is not a snapshot of Steward");
        }

        int version = BinaryPrimitives.ReadInt32LittleEndian(bytes[8..]);
        if (version != Format)
        {
            throw new SnapshotRefusedException(version, "format", $"this program reads format {Format} only");
        }

        long length = BinaryPrimitives.ReadUInt32LittleEndian(bytes[12..]);
        if (length != bytes.Length - HeaderLength - TrailerLength)
        {
            throw new SnapshotRefusedException(version, "length", $"it tells of {length} bytes, {bytes.Length - HeaderLength - TrailerLength} are there");
        }

        if (BinaryPrimitives.ReadUInt32LittleEndian(bytes[^TrailerLength..]) != Crc32C.Of(bytes[..^TrailerLength]))
        {
            throw new SnapshotRefusedException(version, "checksum", "the bytes are not those that were written");
        }

        var reader = new SnapshotReader(bytes[HeaderLength..^TrailerLength], "snapshot");
        string boot = reader.Text(1, "boot");
        origin = new SnapshotOrigin(boot, new Moment(reader.Integer(2, "monotonic"), reader.Integer(3, "wall")), reader.Text(4, "program"));
        if (boot != bootId)
        {
            throw new SnapshotRefusedException(version, "snapshot.boot", "it was written before the last start of the machine; nothing that it tells of is alive");
        }

        SnapshotReader content = reader.Record(ContentField, "content").Renamed(name);
        reader.End();
        return content;
    }
}
