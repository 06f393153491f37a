using System.Reflection;
using Xunit.Sdk;

namespace Entrepot.FunctionalTests.Faults;

/// <summary>Has a theory told a fault, whose row of <c>docs/faults.md</c> it observes and tells to <see cref="FaultPage"/>.</summary>
/// <param name="fault">The row's first cell, the theory's first argument.</param>
/// <param name="script">Its other arguments.</param>
[AttributeUsage(AttributeTargets.Method, AllowMultiple = true)]
internal sealed class FaultAttribute(string fault, params object[] script) : DataAttribute
{
    /// <summary>Every fault that has a test.</summary>
    public static IReadOnlyList<string> All =>
    [
        .. typeof(FaultAttribute).Assembly.GetTypes()
            .SelectMany(type => type.GetMethods(BindingFlags.Instance | BindingFlags.Public))
            .SelectMany(method => method.GetCustomAttributes<FaultAttribute>(), (_, one) => one.Fault),
    ];

    public string Fault => fault;

    public override IEnumerable<object[]> GetData(MethodInfo testMethod) => [[fault, .. script]];
}
