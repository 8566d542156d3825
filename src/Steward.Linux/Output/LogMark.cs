namespace Steward.Linux.Output;

/// <summary>A place in a log file: where a run began.</summary>
/// <param name="Opening">Which opening of the file; another one means that it was rotated, cleared or reopened since.</param>
/// <param name="Position">Its size at that time.</param>
internal readonly record struct LogMark(int Opening, long Position);
