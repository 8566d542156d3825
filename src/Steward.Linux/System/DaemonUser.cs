using System.Globalization;
using Steward.Core.Config;
using Steward.Core.Model;
using Steward.Linux.Interop;

namespace Steward.Linux.Host;

/// <summary>Whom the daemon runs as (<c>user</c> in <c>[supervisord]</c>).</summary>
public static unsafe class DaemonUser
{
    private const string RunningAsRoot =
        "Supervisor is running as root.  Privileges were not dropped because no user is specified in the config file.  If you intend to "
        + "run as root, you can set user=root in the config file to avoid this message.";

    // With 65,536 groups, the most there are, of ten digits.
    private const int MaxStatus = 1 << 20;

    // Real, effective, saved, for files.
    private const int EffectiveField = 1;

    /// <summary>Says why the daemon cannot become a user; null when it can, or is that user.</summary>
    public static string? Refusal(UserIdentity? user) =>
        user is null || LibC.getuid() == (uint)user.Uid || LibC.getuid() == 0 ? null : "Can't drop privilege as nonroot user";

    /// <summary>
    /// Becomes the user for good: supplementary groups, group, user, for every thread of the process. HOME, USER and LOGNAME stay.
    /// </summary>
    /// <param name="user">Whom; null: nobody else.</param>
    /// <returns>A line for the activity log; null for none.</returns>
    /// <exception cref="StartException">It is not possible; the daemon may be half of both and must end.</exception>
    public static LoadMessage? Become(UserIdentity? user)
    {
        uint current = LibC.getuid();
        if (user is null)
        {
            return current == 0 ? new LoadMessage(LogLevel.Critical, RunningAsRoot) : null;
        }

        if (Refusal(user) is { } refusal)
        {
            throw new StartException(refusal);
        }

        if (current != (uint)user.Uid)
        {
            Become((uint)user.Uid, (uint)user.Gid, [.. user.Groups.Select(static group => (uint)group)]);
        }

        return new LoadMessage(
            LogLevel.Info, string.Create(CultureInfo.InvariantCulture, $"Set uid to user {user.Uid} succeeded"));
    }

    /// <summary>
    /// Becomes the user that another process is, for good, when this one is root and that one is not: what the kernel says of it counts
    /// (man 5 proc_pid_status), not what it says of itself. It may be dead, if it is not reaped.
    /// </summary>
    /// <exception cref="StartException">It is not possible; this process has more rights than it is to have and must end.</exception>
    public static void BecomeThatOf(int pid)
    {
        if (LibC.getuid() != 0)
        {
            return;
        }

        byte[] status = FileBytes.Read(string.Create(CultureInfo.InvariantCulture, $"/proc/{pid}/status"), MaxStatus, out int errno)
            ?? throw new StartException(string.Create(CultureInfo.InvariantCulture, $"The user of process {pid} cannot be read"), errno);
        string[] lines = NativeText.Decode(status).Split('\n');
        uint uid = Numbers("Uid:")[EffectiveField];
        if (uid != 0)
        {
            Become(uid, Numbers("Gid:")[EffectiveField], Numbers("Groups:"));
        }

        uint[] Numbers(string name) =>
        [
            .. lines.Single(line => line.StartsWith(name, StringComparison.Ordinal))[name.Length..]
                .Split([' ', '\t'], StringSplitOptions.RemoveEmptyEntries)
                .Select(static number => uint.Parse(number, CultureInfo.InvariantCulture)),
        ];
    }

    private static void Become(uint uid, uint gid, uint[] groups)
    {
        fixed (uint* first = groups)
        {
            if (LibC.setgroups((nuint)groups.Length, first) != 0)
            {
                throw new StartException("Could not set groups of effective user");
            }
        }

        if (LibC.setgid(gid) != 0)
        {
            throw new StartException("Could not set group id of effective user");
        }

        if (LibC.setuid(uid) != 0)
        {
            throw new StartException("Could not set user id of effective user", LibC.LastError);
        }
    }
}
