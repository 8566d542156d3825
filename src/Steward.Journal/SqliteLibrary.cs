using System.Reflection;
using System.Runtime.InteropServices;
using SQLitePCL;

namespace Steward.Journal;

/// <summary>
/// SQLite itself. The library is a resource of this assembly; how a library gets from memory into the process is the Linux layer's
/// business, so the loader comes from outside.
/// </summary>
public static class SqliteLibrary
{
    private const string Name = "libe_sqlite3.so";

    private static readonly Lock s_once = new();
    private static Func<string, Stream, nint>? s_load;
    private static bool s_ready;

    /// <summary>
    /// Says how the library is to be loaded: its name and content in, its handle out (see <c>MemoryLibrary.Load</c> of the Linux layer).
    /// To be called once before the first journal is opened. Nothing is loaded before a journal needs it.
    /// </summary>
    public static void LoadWith(Func<string, Stream, nint> load)
    {
        lock (s_once)
        {
            s_load = load;
        }
    }

    /// <summary>Loads the library if it is not loaded yet.</summary>
    /// <exception cref="DllNotFoundException">It cannot be loaded.</exception>
    internal static void Load()
    {
        lock (s_once)
        {
            if (s_ready)
            {
                return;
            }

            Func<string, Stream, nint> load = s_load ?? throw new InvalidOperationException("SqliteLibrary.LoadWith comes first.");
            using Stream library = Assembly.GetExecutingAssembly().GetManifestResourceStream(Name)
                ?? throw new DllNotFoundException($"The resource {Name} is missing.");
            nint handle = load(Name, library);
            NativeLibrary.SetDllImportResolver(
                typeof(SQLite3Provider_e_sqlite3).Assembly, (name, _, _) => name == "e_sqlite3" ? handle : nint.Zero);
            raw.SetProvider(new SQLite3Provider_e_sqlite3());
            s_ready = true;
        }
    }
}
