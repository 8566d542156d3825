using Steward.Core.Snapshots;

namespace Steward.Core.Events;

// What is held back as it is written down.
internal sealed partial class Utf8Carry
{
    public void Write(SnapshotWriter writer, int field) => writer.Bytes(field, _held);

    public void Read(ref SnapshotReader reader, int field, string name)
    {
        ReadOnlySpan<byte> held = reader.Bytes(field, name);
        if (IncompleteTail(held) != held.Length)
        {
            throw reader.Refusal(name, "it is not the beginning of a character");
        }

        _held = held.ToArray();
    }
}
