using System.Text;
using Steward.Core.Model;
using Steward.Core.Supervision;

namespace Steward.Core.Tests.Supervision;

public sealed class ProcessTableTests
{
    private static readonly ProcessState[] s_states = Enum.GetValues<ProcessState>();
    private static readonly ProcessTrigger[] s_triggers = Enum.GetValues<ProcessTrigger>();

    [Fact]
    public void The_page_in_the_documentation_is_the_table() => GoldenFile.Check("docs/reference/process-states.md", Page());

    [Fact]
    public void Every_action_stands_in_some_cell() =>
        Assert.Empty(Enum.GetValues<ProcessAction>().Except(
            from state in s_states
            from trigger in s_triggers
            select ProcessTable.Action(state, trigger)));

    [Fact]
    public void An_action_that_leads_somewhere_leads_there_from_a_state_that_has_it()
    {
        foreach ((ProcessAction action, ProcessState from, ProcessState to, string when) in ProcessGraph.Edges)
        {
            // Adopt goes on as Promote does, and a second change in one step begins where the first one led.
            bool hasCell = s_triggers.Any(trigger => ProcessTable.Action(from, trigger) == action);
            bool follows = ProcessGraph.Edges.Any(edge => edge.Action == action && edge.To == from);
            Assert.True(hasCell || follows, $"{action} cannot lead from {from} to {to} ({when})");
        }
    }

    private static string Page()
    {
        var page = new StringBuilder();
        page.Append("""
            # The states of a process

            This page is made of the table that the daemon runs by (`src/Steward.Core/Supervision/ProcessTable.cs`); a test compares the two. What is
            not in a cell can not happen in that state, or comes too late, and changes nothing.


            """.ReplaceLineEndings("\n"));
        page.Append("| |");
        foreach (ProcessState state in s_states)
        {
            page.Append($" {state.Name()} |");
        }

        page.Append("\n|---|");
        foreach (ProcessState _ in s_states)
        {
            page.Append("---|");
        }

        page.Append('\n');
        foreach (ProcessTrigger trigger in s_triggers)
        {
            page.Append($"| **{trigger}** |");
            foreach (ProcessState state in s_states)
            {
                ProcessAction action = ProcessTable.Action(state, trigger);
                page.Append(action == ProcessAction.Nothing ? " |" : $" {action} |");
            }

            page.Append('\n');
        }

        page.Append("""

            UNKNOWN is kept for clients: no action leads there.

            ## Changes of state

            There are no others.

            | from | to | action | when |
            |---|---|---|---|

            """.ReplaceLineEndings("\n"));
        foreach ((ProcessAction action, ProcessState from, ProcessState to, string when) in ProcessGraph.Edges)
        {
            page.Append($"| {from.Name()} | {to.Name()} | {action} | {when} |\n");
        }

        return page.ToString();
    }
}
