namespace Entrepot.FunctionalTests.Faults;

/// <summary>Tests that measure what the whole process holds: nothing else runs meanwhile.</summary>
[CollectionDefinition(nameof(Alone), DisableParallelization = true)]
public sealed class Alone;
