using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using Steward.Linux.Interop;

namespace Steward.Linux.Handover;

/// <summary>A packet that came: words, and copies of descriptors that are the receiver's to close.</summary>
/// <param name="Words">The first says what it is.</param>
/// <param name="Descriptors">Close-on-exec, above the standard streams.</param>
public sealed record Packet(ImmutableArray<string> Words, ImmutableArray<int> Descriptors);

/// <summary>
/// One end of a pair of sockets that join keeper and daemon (man 7 unix, SOCK_SEQPACKET): whole packets in order, with descriptors.
/// What was sent arrives even when its sender has died since.
/// </summary>
/// <remarks>
/// A packet is words in UTF-8 with zero bytes between them, which no path holds: a keeper and a daemon of different versions can tell what
/// they do not know, and a person can read it (strace). Sending may be done by any thread, receiving by one.
/// </remarks>
public sealed unsafe class PacketSocket : IDisposable
{
    /// <summary>The most descriptors of one packet.</summary>
    public const int MaxDescriptors = 64;

    /// <summary>The most bytes of one packet.</summary>
    public const int MaxBytes = 32 << 10;

    // What one control message with all descriptors takes.
    private const int ControlSize = 16 + (MaxDescriptors * sizeof(int));
    private const int SendPatienceSeconds = 5;

    private readonly Lock _sending = new();

    // The receiving thread's alone.
    private readonly byte[] _received = new byte[MaxBytes];
    private bool _isClosed;

    private PacketSocket(int fd) => Descriptor = fd;

    /// <summary>The descriptor, for handing over.</summary>
    public int Descriptor { get; }

    /// <summary>Makes a pair; both ends close at exec.</summary>
    /// <returns>False when there are no descriptors or no memory, with the reason.</returns>
    public static bool TryPair([NotNullWhen(true)] out PacketSocket? ours, out int theirs, out string? failure)
    {
        int* pair = stackalloc int[2];
        ours = null;
        theirs = -1;
        if (LibC.socketpair(LibC.AF_UNIX, LibC.SOCK_SEQPACKET | LibC.SOCK_CLOEXEC, 0, pair) != 0)
        {
            failure = ErrnoText.Python(LibC.LastError);
            return false;
        }

        failure = null;
        theirs = Processes.Descriptors.AboveStandard(pair[1]);
        ours = Open(Processes.Descriptors.AboveStandard(pair[0]));
        return true;
    }

    /// <summary>Takes an end over under its number; it closes at exec from here on.</summary>
    public static PacketSocket Open(int fd)
    {
        ReExec.Adopt(fd);

        // A receiver that does not take anything for so long is taken for dead.
        var patience = new LibC.TimeValue { Seconds = SendPatienceSeconds };
        _ = LibC.setsockopt(fd, LibC.SOL_SOCKET, LibC.SO_SNDTIMEO, (int*)&patience, (uint)sizeof(LibC.TimeValue));
        return new PacketSocket(fd);
    }

    /// <summary>Sends a packet; waits at most some seconds while the receiver has too much to take.</summary>
    /// <returns>Whether it is on its way: false when the other side has gone or does not take anything.</returns>
    /// <exception cref="InvalidOperationException">It is larger than a packet can be, or has no bytes: a defect.</exception>
    public bool Send(ReadOnlySpan<string> words, ReadOnlySpan<int> descriptors = default)
    {
        byte[] text = NativeText.Encode(string.Join('\0', words!));
        if (text.Length > MaxBytes || descriptors.Length > MaxDescriptors)
        {
            throw new InvalidOperationException($"A packet of {text.Length} bytes and {descriptors.Length} descriptors is too large.");
        }

        if (text.Length == 0)
        {
            // A receiver would take it for the end.
            throw new InvalidOperationException("A packet without a byte cannot be sent.");
        }

        byte* control = stackalloc byte[ControlSize];
        fixed (byte* bytes = text)
        {
            var vector = new LibC.IoVector { Base = bytes, Length = (nuint)text.Length };
            var message = new LibC.MessageHeader { Vectors = &vector, VectorCount = 1 };
            if (!descriptors.IsEmpty)
            {
                var header = (LibC.ControlHeader*)control;
                header->Length = (nuint)(sizeof(LibC.ControlHeader) + (descriptors.Length * sizeof(int)));
                header->Level = LibC.SOL_SOCKET;
                header->Type = LibC.SCM_RIGHTS;
                descriptors.CopyTo(new Span<int>(control + sizeof(LibC.ControlHeader), descriptors.Length));
                message.Control = control;
                message.ControlLength = header->Length;
            }

            lock (_sending)
            {
                nint sent;
                do
                {
                    sent = _isClosed ? 0 : LibC.sendmsg(Descriptor, &message, LibC.MSG_NOSIGNAL);
                }
                while (LibC.Interrupted(sent));

                return sent == text.Length;
            }
        }
    }

    /// <summary>Waits for the next packet.</summary>
    /// <returns>
    /// Null when the other side has gone and everything it sent has been received, or when it sends what no packet can be. Fewer descriptors
    /// than were sent come when this process may not have more.
    /// </returns>
    public Packet? Receive()
    {
        byte* control = stackalloc byte[ControlSize];
        fixed (byte* bytes = _received)
        {
            var vector = new LibC.IoVector { Base = bytes, Length = MaxBytes };
            var message = new LibC.MessageHeader { Vectors = &vector, VectorCount = 1, Control = control, ControlLength = ControlSize };
            nint count;

            // ECONNRESET: it died with packets unread. That is told before the packets that it had sent, once.
            do
            {
                message.ControlLength = ControlSize;
                count = LibC.recvmsg(Descriptor, &message, LibC.MSG_CMSG_CLOEXEC);
            }
            while (count < 0 && LibC.LastError is (Errno.EINTR or Errno.ECONNRESET));

            if (count <= 0)
            {
                return null;
            }

            int[] descriptors = [];
            var header = (LibC.ControlHeader*)control;
            if (message.ControlLength >= (nuint)sizeof(LibC.ControlHeader) && header->Level == LibC.SOL_SOCKET && header->Type == LibC.SCM_RIGHTS)
            {
                int number = (int)(header->Length - (nuint)sizeof(LibC.ControlHeader)) / sizeof(int);
                descriptors = new Span<int>(control + sizeof(LibC.ControlHeader), number).ToArray();
            }

            for (int i = 0; i < descriptors.Length; i++)
            {
                descriptors[i] = Processes.Descriptors.AboveStandard(descriptors[i]);
            }

            if ((message.Flags & LibC.MSG_TRUNC) != 0)
            {
                // No packet of ours is so long: what is left of it could mean anything.
                foreach (int fd in descriptors)
                {
                    StateFile.Close(fd);
                }

                Shutdown();
                return null;
            }

            return new Packet([.. NativeText.Decode(_received.AsSpan(0, (int)count)).Split('\0')], [.. descriptors]);
        }
    }

    /// <summary>Whether the other side has gone, though not all that it sent may have been received.</summary>
    public bool HasEnded
    {
        get
        {
            var poll = new LibC.PollFd { Fd = Descriptor };
            return LibC.poll(&poll, 1, 0) > 0 && (poll.Returned & LibC.POLLHUP) != 0;
        }
    }

    /// <summary>Ends the conversation: who waits in <see cref="Receive"/>, on either side, gets null.</summary>
    public void Shutdown() => _ = LibC.shutdown(Descriptor, LibC.SHUT_RDWR);

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_sending)
        {
            if (!_isClosed)
            {
                _isClosed = true;
                _ = LibC.close(Descriptor);
            }
        }
    }
}
