namespace Steward.Core.Ports;

/// <summary>
/// Which fact of the core this is, over all lives of an engine that has successors: one that goes on where another one died tells the same
/// facts under the same places, so that whoever keeps them can tell those that he has from those that he was never told.
/// </summary>
/// <param name="Series">Names the numbers it belongs to; 0 for a fact without a place, which is never told again.</param>
/// <param name="Number">Its number among them, from 1, without gaps.</param>
public readonly record struct FactPlace(long Series, long Number)
{
    /// <summary>Says whether somebody who has everything up to this place has the other one too.</summary>
    public bool Covers(FactPlace other) => other.Series != 0 && other.Series == Series && other.Number <= Number;
}
