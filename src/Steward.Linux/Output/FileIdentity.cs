namespace Steward.Linux.Output;

/// <summary>Which file something is, whatever its names: device and inode (man 7 inode).</summary>
internal readonly record struct FileIdentity(uint Major, uint Minor, ulong Inode);
