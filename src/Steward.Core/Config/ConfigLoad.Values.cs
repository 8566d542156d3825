namespace Steward.Core.Config;

// Values of one section: expanded, converted, and complained about at the right place.
internal sealed partial class ConfigLoad
{
    private const string NumberRemedy = "write a whole number";
    private const string BooleanRemedy = "write true or false";
    private const string SizeRemedy = "write a number of bytes, or a number with KB, MB or GB";
    private const string OctalRemedy = "write octal digits, as in 022";
    private const string DirectoryRemedy = "make the directory, or name another one";
    private const string UserRemedy = "name a user of this machine";
    private const string NameRemedy = "leave out blanks, colons and slashes";

    private readonly Converter<string?> _existingDirectory;
    private readonly Converter<string?> _directoryPath;
    private readonly Converter<UserIdentity?> _user;

    private delegate bool Converter<T>(string text, out T value, out string? error);

    /// <summary>A section while it is read.</summary>
    /// <param name="load">The reading it belongs to.</param>
    /// <param name="section">The section.</param>
    /// <param name="decorated">Whether errors say section and file at their end, as Supervisor has it for processes.</param>
    private sealed class SectionReader(ConfigLoad load, IniSection section, bool decorated)
    {
        public IniSection Section => section;

        /// <summary>The expanded value; null when the key is missing or its expansion is in error, which then has been noted.</summary>
        /// <param name="key">The key.</param>
        /// <param name="names">The names it may use.</param>
        /// <param name="location">What an error calls it; null for <c>section.key</c>.</param>
        public string? Text(string key, Expansions names, string? location = null)
        {
            if (section.Find(key) is not { } option)
            {
                return null;
            }

            if (!option.Value.Contains('%'))
            {
                return option.Value;
            }

            if (load.TryExpand(option.Value, names, location ?? section.Name + "." + key, out string expanded, out string? error))
            {
                return expanded;
            }

            Error(key, error!, ExpansionRemedy(error!));
            return null;
        }

        /// <summary>The expanded and converted value; the default when the key is missing or wrong, which then has been noted.</summary>
        public T Value<T>(string key, Expansions names, T missing, Converter<T> convert, string remedy)
        {
            if (Text(key, names) is not { } text)
            {
                return missing;
            }

            if (convert(text, out T value, out string? error))
            {
                return value;
            }

            Error(key, error!, remedy);
            return missing;
        }

        public int Integer(string key, Expansions names, int missing) =>
            Value<int>(key, names, missing, ConfigValue.TryInteger, NumberRemedy);

        public bool Boolean(string key, Expansions names, bool missing) =>
            Value<bool>(key, names, missing, ConfigValue.TryBoolean, BooleanRemedy);

        public long ByteSize(string key, Expansions names, long missing) =>
            Value<long>(key, names, missing, ConfigValue.TryByteSize, SizeRemedy);

        /// <summary>Notes an error about a key, or about the section when the key is missing.</summary>
        public void Error(string key, string text, string? remedy)
        {
            if (decorated)
            {
                text = $"{text} in section {PythonText.Repr(section.Name)} (file: {PythonText.Repr(section.File)})";
            }

            if (section.Find(key) is { } option)
            {
                load.Error(section, option, text, remedy);
            }
            else
            {
                load.Error(section, text, remedy);
            }
        }

        /// <summary>Notes a warning about a key, or about the section when the key is missing.</summary>
        public void Warn(string key, string text, string? remedy)
        {
            if (section.Find(key) is { } option)
            {
                load.Warn(section, option, text, remedy);
            }
            else
            {
                load.Warn(section, text, remedy);
            }
        }
    }
}
