using Steward.Core.Effects;

namespace Steward.Http;

/// <summary>
/// Has the daemon go on as another image of the program. When that works the task never completes here: the other image answers.
/// </summary>
/// <param name="file">The executable; null: the path by which the daemon was started.</param>
/// <param name="requester">Who asks, in words for people.</param>
public delegate Task<Outcome> Upgrader(string? file, string requester);
