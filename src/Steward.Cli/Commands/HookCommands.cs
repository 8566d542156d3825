using System.Globalization;
using Steward.Client;
using Steward.Core.Model;

namespace Steward.Cli;

// hooks: how they are doing, and whether one works.
internal sealed partial class CtlSession
{
    private void Hooks(string argument)
    {
        switch (Words(argument))
        {
            case []:
                ShowHooks();
                break;
            case ["test", var name]:
                TestHook(name);
                break;
            default:
                Usage("Error: hooks takes nothing, or test and the name of a hook", HelpTexts.Hooks, ExitStatus.InvalidArguments);
                break;
        }
    }

    private void ShowHooks()
    {
        Answer<IReadOnlyList<HookInfo>> answer = Ask(client => client.GetHooks());
        if (!IsKnown(answer))
        {
            return;
        }

        IReadOnlyList<HookInfo> hooks = answer.IsValue ? answer.Value : throw Unexpected(answer);
        if (hooks.Count == 0)
        {
            _out.Line("no hooks are configured");
            return;
        }

        int name = Math.Max("NAME".Length, hooks.Max(static hook => hook.Name.Length));
        int target = Math.Max("TARGET".Length, hooks.Max(static hook => hook.Kind.Length + 1 + hook.Target.Length));
        _out.Line($"{"NAME".PadRight(name)}  {"TARGET".PadRight(target)}  DELIVERED  FAILED  DROPPED  WAITING  LAST SUCCESS");
        foreach (HookInfo hook in hooks)
        {
            string success = hook.LastSuccess == 0 ? "never" : Time(hook.LastSuccess);
            _out.Line(string.Create(
                CultureInfo.InvariantCulture,
                $"{hook.Name.PadRight(name)}  {(hook.Kind + " " + hook.Target).PadRight(target)}  {hook.Delivered,9}  {hook.Failed,6}  {hook.Dropped,7}  {hook.Waiting,7}  {success}"));
            if (hook.LastError.Length > 0)
            {
                _out.Line($"    last error, {Time(hook.LastErrorTime)}: {hook.LastError}");
            }
        }
    }

    private void TestHook(string name)
    {
        Answer<string> answer = Ask(client => client.TestHook(name));
        if (!IsKnown(answer))
        {
            return;
        }

        if (answer.Fault is { Code: (int)FaultCode.BadName })
        {
            Refuse($"{name}: ERROR (no such hook)");
        }
        else if (!answer.IsValue)
        {
            throw Unexpected(answer);
        }
        else if (answer.Value.Length > 0)
        {
            Refuse($"{name}: ERROR ({answer.Value})");
        }
        else
        {
            _out.Line($"{name}: delivered");
        }
    }

    private bool IsKnown<T>(Answer<T> answer)
    {
        if (answer.Fault is { Code: (int)FaultCode.UnknownMethod })
        {
            Refuse("ERROR: this daemon has no hooks: it is an older Steward, or another supervisord");
            return false;
        }

        return true;
    }

    private static string Time(long seconds) => DateTimeOffset.FromUnixTimeSeconds(seconds).LocalDateTime.ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture);
}
