using Steward.Linux.Host;

namespace Steward.Linux.Tests.Host;

public class TerminalTests
{
    [Fact]
    public void Raw_mode_gives_keys_at_once_and_ends_with_its_scope()
    {
        using var pty = new PseudoTerminal();
        var terminal = new Terminal(pty.Slave, pty.Slave);
        byte[] keys = new byte[16];
        Assert.Equal((true, true, true), pty.Modes());
        using (IDisposable scope = terminal.EnterRawMode())
        {
            Assert.Equal((false, false, false), pty.Modes());
            Assert.True(StandardStreams.Write(pty.Master, "a\u0003\r"));
            Assert.True(Terminal.Poll(pty.Slave, 10_000));
            int count = 0;
            while (count < 3)
            {
                int more = terminal.Read(keys.AsSpan(count), 10_000);
                Assert.True(more > 0);
                count += more;
            }

            Assert.Equal([(byte)'a', 3, 13], keys[..3]);
            Assert.Equal(-1, terminal.Read(keys, 0));
            scope.Dispose();
            Assert.Equal((true, true, true), pty.Modes());
        }

        Assert.Equal((true, true, true), pty.Modes());
    }

    [Fact]
    public void Hidden_input_is_still_edited_in_lines()
    {
        using var pty = new PseudoTerminal();
        using (new Terminal(pty.Slave, pty.Slave).HideInput())
        {
            Assert.Equal((false, true, true), pty.Modes());
        }

        Assert.Equal((true, true, true), pty.Modes());
    }

    [Fact]
    public void A_terminal_that_is_gone_is_the_end_of_input()
    {
        using var pty = new PseudoTerminal();
        var terminal = new Terminal(pty.Slave, pty.Slave);
        using IDisposable scope = terminal.EnterRawMode();
        pty.CloseMaster();
        Assert.Equal(0, terminal.Read(new byte[4], 10_000));
    }

    [Fact]
    public void Size_is_that_of_the_terminal()
    {
        using var pty = new PseudoTerminal();
        pty.Resize(132, 43);
        Assert.Equal((132, 43), new Terminal(pty.Slave, pty.Slave).Size);
        Assert.True(Terminal.IsTerminal(pty.Slave));
    }

    [Fact]
    public void A_pipe_is_no_terminal_and_has_no_modes()
    {
        (int read, int write) = Descriptors.Pipe();
        try
        {
            var terminal = new Terminal(read, write);
            Assert.False(Terminal.IsTerminal(read));
            terminal.EnterRawMode().Dispose();
            Assert.Equal(-1, terminal.Read(new byte[4], 0));
            Assert.True(StandardStreams.Write(write, "xy"));
            Assert.Equal(2, terminal.Read(new byte[4], -1));
        }
        finally
        {
            Descriptors.Close(read, write);
        }
    }
}
