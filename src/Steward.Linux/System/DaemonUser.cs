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
            uint[] groups = [.. user.Groups.Select(static group => (uint)group)];
            fixed (uint* first = groups)
            {
                if (LibC.setgroups((nuint)groups.Length, first) != 0)
                {
                    throw new StartException("Could not set groups of effective user");
                }
            }

            if (LibC.setgid((uint)user.Gid) != 0)
            {
                throw new StartException("Could not set group id of effective user");
            }

            if (LibC.setuid((uint)user.Uid) != 0)
            {
                throw new StartException("Could not set user id of effective user", LibC.LastError);
            }
        }

        return new LoadMessage(
            LogLevel.Info, string.Create(CultureInfo.InvariantCulture, $"Set uid to user {user.Uid} succeeded"));
    }
}
