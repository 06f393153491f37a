namespace Entrepot.Server.Options;

/// <summary>A file whose images are warmed again and again. An immutable value.</summary>
/// <param name="From">The file. Made absolute when the options are read, from the folder of their file.</param>
/// <param name="Every">Time between two beginnings: 1 minute to 30 days.</param>
/// <param name="Platforms">The platforms that are wanted, joined by commas; empty for all, or those that the file says.</param>
/// <param name="Pin">Whether what is whole is pinned.</param>
public sealed record WarmSchedule(string From, TimeSpan Every, string Platforms, bool Pin);
