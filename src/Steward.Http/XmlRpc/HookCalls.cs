using Steward.Core.Model;
using Steward.Engine;
using Steward.Protocol.XmlRpc;

namespace Steward.Http.XmlRpc;

/// <summary>
/// <c>steward.getHooks()</c> and <c>steward.testHook(name)</c>. Like everything of the namespace <c>steward</c> they are there whatever
/// <c>[rpcinterface:x]</c> sections there are.
/// </summary>
internal static class HookCalls
{
    private const string GetHooks = "steward.getHooks";
    private const string TestHook = "steward.testHook";

    /// <summary>Their names.</summary>
    public static IReadOnlyList<string> Names { get; } = [GetHooks, TestHook];

    /// <summary>Says whether a method is one of these.</summary>
    public static bool Has(string method) => method is GetHooks or TestHook;

    /// <summary>Begins a call; the rest as <see cref="RpcCalls.Call"/>.</summary>
    public static Task<Fault?>? Call(
        string method, IReadOnlyList<XmlRpcValue> parameters, IHookControl? hooks, XmlRpcWriter writer, CancellationToken endWaiting, out Fault? fault)
    {
        fault = null;
        if (parameters.Count != (method == TestHook ? 1 : 0))
        {
            fault = new Fault(FaultCode.IncorrectParameters);
            return null;
        }

        if (method == GetHooks)
        {
            writer.BeginArray();
            foreach (HookStatus hook in hooks?.Hooks ?? [])
            {
                Write(writer, hook);
                writer.EndItem();
            }

            writer.EndArray();
            return null;
        }

        if (parameters[0] is not XmlRpcString name)
        {
            fault = new Fault(FaultCode.IncorrectParameters);
            return null;
        }

        if (hooks?.TestAsync(name.Value) is { } test)
        {
            return AnswerAsync(test, writer, endWaiting);
        }

        fault = new Fault(FaultCode.BadName, name.Value);
        return null;
    }

    /// <summary>The answer is the error; empty when there was none.</summary>
    private static async Task<Fault?> AnswerAsync(Task<string?> test, XmlRpcWriter writer, CancellationToken endWaiting)
    {
        string? error = await test.WaitAsync(endWaiting).ConfigureAwait(false);
        writer.WriteString(error ?? "");
        return null;
    }

    private static void Write(XmlRpcWriter writer, HookStatus hook)
    {
        writer.BeginStruct();
        Text("name"u8, hook.Name);
        Text("kind"u8, hook.Kind);
        Text("target"u8, hook.Target);
        Number("delivered"u8, hook.Delivered);
        Number("failed"u8, hook.Failed);
        Number("dropped"u8, hook.Dropped);
        Number("waiting"u8, hook.Waiting);
        Text("last_error"u8, hook.LastError ?? "");
        Number("last_error_time"u8, hook.LastErrorWall / Moment.Second);
        Number("last_success_time"u8, hook.LastSuccessWall / Moment.Second);
        writer.EndStruct();

        void Text(ReadOnlySpan<byte> name, string value)
        {
            writer.MemberName(name);
            writer.WriteString(value);
            writer.EndMember();
        }

        void Number(ReadOnlySpan<byte> name, long value)
        {
            writer.MemberName(name);
            writer.WriteInt(value);
            writer.EndMember();
        }
    }
}
