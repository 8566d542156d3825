using System.Buffers;
using System.Text.Json;
using Steward.Core.Events;
using Steward.Core.Ports;
using Steward.Core.Snapshots;

namespace Steward.Engine;

// The facts of the core have numbers while somebody succeeds an engine that dies. Those that are not yet where they outlive the daemon are held
// here and stand in each checkpoint; those since then come out of the replay once more. So nobody waits for a disk, and nothing is missing.
public sealed partial class Engine
{
    /// <summary>The most facts that are held for a successor. Beyond that the oldest is only with those who were told it, and dies with them.</summary>
    internal const int MaxHeldFacts = 1024;

    // Characters of text in them.
    private const int MaxHeldText = 1 << 20;

    private readonly Queue<HeldFact> _heldFacts = new();
    private long _heldText;
    private bool _areFactsKept;
    private long _series;
    private long _facts;

    // Up to which number a predecessor's facts are known to be kept.
    private long _factsOut;

    /// <summary>How many facts of the core have been told in all lives. Any thread.</summary>
    public long FactsTold => Interlocked.Read(ref _facts);

    /// <summary>
    /// Numbers facts from here on and holds them for a successor. <see cref="Keep"/> does that too; what is told before it is to be held from the
    /// beginning when a keeper is known to be there. Before <see cref="Start"/>, or on the engine's thread.
    /// </summary>
    public void KeepFacts()
    {
        lock (_state)
        {
            if (_series == 0)
            {
                _series = Random.Shared.NextInt64(1, long.MaxValue);
            }

            // Whether anybody listens or not: a successor must come to the same numbers, and knows nothing of who listened when.
            _areFactsKept = true;
            _supervisor.IsRecording = true;
        }
    }

    /// <summary>
    /// Tells again what another image of the program, or a daemon that died, held. A sink leaves out what it has. After <see cref="AddSink"/>,
    /// before <see cref="Start"/>.
    /// </summary>
    /// <param name="factsOut">Up to which number facts are kept (<see cref="IStateLog.FactsOut"/>).</param>
    public void TellHeldFacts(long factsOut)
    {
        if (_series == 0)
        {
            // An older version that did not count: what its records come to was told by it, or is lost.
            return;
        }

        KeepFacts();

        // Nobody kept any: should somebody want them now, he is told what is left.
        _factsOut = factsOut == long.MaxValue ? 0 : factsOut;
        Release(factsOut);
        foreach (HeldFact held in _heldFacts)
        {
            Tell(held.Entry, new FactPlace(_series, held.Number));
        }
    }

    private void TellFact(in JournalEntry entry)
    {
        if (!_areFactsKept)
        {
            Tell(entry, default);
            return;
        }

        long number = Interlocked.Increment(ref _facts);
        if (number <= _factsOut)
        {
            return;
        }

        Hold(new HeldFact(number, entry with { Fact = entry.Fact.Bounded() }));
        Tell(entry, new FactPlace(_series, number));
    }

    private void Hold(HeldFact fact)
    {
        Release(_stateLog?.FactsOut ?? 0);
        _heldFacts.Enqueue(fact);
        _heldText += fact.Entry.Fact.TextLength;
        while (_heldFacts.Count > MaxHeldFacts || _heldText > MaxHeldText)
        {
            ReleaseOldest();
        }
    }

    private void Release(long upTo)
    {
        while (_heldFacts.TryPeek(out HeldFact oldest) && oldest.Number <= upTo)
        {
            ReleaseOldest();
        }
    }

    private void ReleaseOldest() => _heldText -= _heldFacts.Dequeue().Entry.Fact.TextLength;

    private void WriteFacts(SnapshotWriter writer, int field)
    {
        if (!_areFactsKept)
        {
            return;
        }

        Release(_stateLog?.FactsOut ?? 0);
        writer.Begin(field);
        writer.Integer(1, _series);
        writer.Integer(2, _facts);
        if (_heldFacts.Count > 0)
        {
            var buffer = new ArrayBufferWriter<byte>();
            using var json = new Utf8JsonWriter(buffer, JournalJson.WriterOptions);
            foreach ((long number, JournalEntry entry) in _heldFacts)
            {
                buffer.ResetWrittenCount();
                json.Reset(buffer);
                JournalJson.WriteFact(json, entry.Fact);
                json.Flush();
                writer.Begin(3);
                writer.Integer(1, number);
                writer.Integer(2, entry.Wall);
                writer.Text(3, entry.Group);
                writer.Text(4, entry.Process);
                writer.Integer(5, entry.Incarnation);
                writer.Integer(6, (int)entry.Fact.Kind);
                writer.Integer(7, JournalJson.Version);
                writer.Bytes(8, buffer.WrittenSpan);
                writer.End();
            }
        }

        writer.End();
    }

    private void ReadFacts(ref SnapshotReader reader, int field)
    {
        if (!reader.TryRecord(field, "facts", out SnapshotReader facts))
        {
            return;
        }

        _series = facts.Integer(1, "series", 1);
        _facts = facts.Integer(2, "told", 0);
        long last = 0;
        while (facts.Next(3, "held", out SnapshotReader held))
        {
            last = held.Integer(1, "number", last + 1, _facts);
            long wall = held.Integer(2, "wall");
            string? group = held.OptionalText(3, "group");
            string? process = held.OptionalText(4, "process");
            int incarnation = held.Int32(5, "incarnation");
            JournalFact fact = JournalJson.ReadFact(held.Int32(6, "kind"), held.Int32(7, "version"), held.Bytes(8, "fact"));
            held.End();
            _heldFacts.Enqueue(new HeldFact(last, new JournalEntry(0, wall, group, process, incarnation, fact)));
            _heldText += fact.TextLength;
        }

        facts.End();
    }

    /// <summary>A fact that was told under this number and may be lost with the daemon.</summary>
    private readonly record struct HeldFact(long Number, JournalEntry Entry);
}
