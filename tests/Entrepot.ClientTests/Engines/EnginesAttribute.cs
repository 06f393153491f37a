using System.Reflection;
using Xunit.Sdk;

namespace Entrepot.ClientTests.Engines;

/// <summary>The names of the engines that are there.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class EnginesAttribute : DataAttribute
{
    /// <summary>Whether only those are wanted that can be told to pull for another machine.</summary>
    public bool ChoosePlatform { get; set; }

    public override IEnumerable<object[]> GetData(MethodInfo testMethod) =>
        EngineKind.All.Where(kind => kind.Program.IsThere && (kind.ChoosesPlatform || !ChoosePlatform)).Select(kind => new object[] { kind.Name });
}

/// <summary>The names of the engines that are not, so that each is a test that was skipped, with the reason, and not one that nobody misses.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class MissingEnginesAttribute : DataAttribute
{
    public MissingEnginesAttribute() => Skip = EngineKind.All.All(kind => kind.Program.IsThere) ? null : "this engine is not among the packages that could be had";

    public override IEnumerable<object[]> GetData(MethodInfo testMethod) =>
        EngineKind.All.Where(kind => !kind.Program.IsThere).Select(kind => new object[] { kind.Name });
}
