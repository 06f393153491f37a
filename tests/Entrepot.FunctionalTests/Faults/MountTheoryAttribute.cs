namespace Entrepot.FunctionalTests.Faults;

/// <summary>A theory that mounts file systems: as root it has to be able to, and others are told that it was left out.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class MountTheoryAttribute : TheoryAttribute
{
    public MountTheoryAttribute() => Skip = Environment.IsPrivilegedProcess ? null : "only root may mount";
}
