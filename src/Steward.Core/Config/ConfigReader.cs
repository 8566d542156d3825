using System.Diagnostics.CodeAnalysis;

namespace Steward.Core.Config;

/// <summary>Reads Supervisor's configuration files. Nothing is cached: every call reads, and looks everything up, anew.</summary>
public static class ConfigReader
{
    /// <summary>Reads a file and what it includes.</summary>
    /// <param name="file">The path; messages show it as it is given here. A relative one counts from the working directory.</param>
    /// <param name="environment">The machine.</param>
    /// <param name="overrides">What the command line says.</param>
    public static ConfigReading Read(string file, IConfigEnvironment environment, ConfigOverrides overrides) =>
        new ConfigLoad(file, environment, overrides).Load(thorough: false);

    /// <summary>
    /// Reads as <see cref="Read"/> and also looks whether commands and directories are there, which the daemon does when it starts
    /// a program.
    /// </summary>
    public static ConfigReading Check(string file, IConfigEnvironment environment, ConfigOverrides overrides) =>
        new ConfigLoad(file, environment, overrides).Load(thorough: true);

    /// <summary>
    /// Reads the options of a program that stands in no file, as a <c>[program:x]</c> section of this file would be read now.
    /// </summary>
    /// <param name="file">The main file, whose <c>[supervisord]</c> section counts.</param>
    /// <param name="environment">The machine.</param>
    /// <param name="overrides">What the command line says.</param>
    /// <param name="group">The group that the program shall belong to.</param>
    /// <param name="program">The program's name.</param>
    /// <param name="options">Keys and values.</param>
    public static ProgramReading ReadProgram(
        string file,
        IConfigEnvironment environment,
        ConfigOverrides overrides,
        string group,
        string program,
        IReadOnlyList<KeyValuePair<string, string>> options) =>
        new ConfigLoad(file, environment, overrides).LoadProgram(group, program, options);

    /// <summary>Finds the file where Supervisor looks for it when none is named: the first of six paths that exists.</summary>
    /// <param name="programPath">The path of the executable as it was called (<c>argv[0]</c>).</param>
    /// <param name="environment">The machine.</param>
    /// <param name="file">The path, possibly relative to the working directory.</param>
    /// <param name="error">Supervisor's message when none exists.</param>
    public static bool TryFindFile(
        string programPath, IConfigEnvironment environment, [NotNullWhen(true)] out string? file, [NotNullWhen(false)] out string? error)
    {
        string above = PosixPath.DirectoryName(PosixPath.DirectoryName(programPath));
        string[] candidates =
        [
            PosixPath.Join(above, "etc/supervisord.conf"),
            PosixPath.Join(above, "supervisord.conf"),
            "supervisord.conf",
            "etc/supervisord.conf",
            "/etc/supervisord.conf",
            "/etc/supervisor/supervisord.conf",
        ];
        file = Array.Find(candidates, environment.Exists);
        error = file is not null
            ? null
            : $"No config file found at default paths ({string.Join(", ", candidates)}); "
              + "use the -c option to specify a config file at a different path";
        return file is not null;
    }
}
