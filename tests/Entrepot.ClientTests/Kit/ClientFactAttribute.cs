namespace Entrepot.ClientTests.Kit;

/// <summary>A fact that needs what <c>tests/run.sh</c> prepares.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class ClientFactAttribute : FactAttribute
{
    public ClientFactAttribute() => Skip = TestRun.SkipReason;
}

/// <summary>A theory that needs what <c>tests/run.sh</c> prepares.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class ClientTheoryAttribute : TheoryAttribute
{
    public ClientTheoryAttribute() => Skip = TestRun.SkipReason;
}
