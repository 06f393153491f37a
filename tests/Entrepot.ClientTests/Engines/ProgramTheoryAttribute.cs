using System.Reflection;
using Entrepot.ClientTests.Kit;
using Xunit.Abstractions;
using Xunit.Sdk;

namespace Entrepot.ClientTests.Engines;

/// <summary>A theory whose first argument names a <see cref="ClientProgram"/>.</summary>
/// <remarks>
/// Debian's development suite has other versions of its programs any day. A test that fails with one that <c>docs/clients.md</c> does not tell of
/// is skipped, and the reason has the failure: it has shown nothing about what the page says, and it is nobody's fault here.
/// </remarks>
[AttributeUsage(AttributeTargets.Method)]
[XunitTestCaseDiscoverer("Entrepot.ClientTests.Engines.ProgramTheoryDiscoverer", "Entrepot.ClientTests")]
public sealed class ProgramTheoryAttribute : TheoryAttribute
{
    public ProgramTheoryAttribute() => Skip = TestRun.SkipReason;
}

/// <summary>A program, and what else the test is given.</summary>
[AttributeUsage(AttributeTargets.Method, AllowMultiple = true)]
public sealed class ProgramDataAttribute : DataAttribute
{
    private readonly object[] _row;

    public ProgramDataAttribute(string program, params object[] more)
    {
        _row = [program, .. more];
        Skip = ClientProgram.Named(program).IsThere ? null : $"{program} is not among the packages that could be had";
    }

    public override IEnumerable<object[]> GetData(MethodInfo testMethod) => [_row];
}

/// <summary>Makes the test cases of <see cref="ProgramTheoryAttribute"/>; found by its name.</summary>
public sealed class ProgramTheoryDiscoverer(IMessageSink diagnostics) : TheoryDiscoverer(diagnostics)
{
    protected override IEnumerable<IXunitTestCase> CreateTestCasesForDataRow(
        ITestFrameworkDiscoveryOptions discoveryOptions, ITestMethod testMethod, IAttributeInfo theoryAttribute, object[] dataRow) =>
        [new ProgramTestCase(DiagnosticMessageSink, discoveryOptions.MethodDisplayOrDefault(), discoveryOptions.MethodDisplayOptionsOrDefault(), testMethod, dataRow)];
}

/// <summary>One program of a theory.</summary>
public sealed class ProgramTestCase : XunitTestCase
{
    /// <summary>For the test framework only, which fills it afterwards.</summary>
    [Obsolete("Called by the test framework only")]
    public ProgramTestCase()
    {
    }

    public ProgramTestCase(IMessageSink diagnostics, TestMethodDisplay display, TestMethodDisplayOptions options, ITestMethod method, object[] arguments)
        : base(diagnostics, display, options, method, arguments)
    {
    }

    public override async Task<RunSummary> RunAsync(
        IMessageSink diagnosticMessageSink, IMessageBus messageBus, object[] constructorArguments, ExceptionAggregator aggregator, CancellationTokenSource cancellationTokenSource)
    {
        var program = ClientProgram.Named((string)TestMethodArguments[0]);
        if (await program.DriftAsync() is not { } drift)
            return await base.RunAsync(diagnosticMessageSink, messageBus, constructorArguments, aggregator, cancellationTokenSource);

        TestRun.Record(program.Name, await program.VersionAsync(), "version", await program.VersionAsync());
        using var bus = new LenientBus(messageBus, drift);
        var summary = await base.RunAsync(diagnosticMessageSink, bus, constructorArguments, aggregator, cancellationTokenSource);
        summary.Failed -= bus.Skipped;
        summary.Skipped += bus.Skipped;
        return summary;
    }

    /// <summary>Passes everything on, a failed test as one that was skipped.</summary>
    private sealed class LenientBus(IMessageBus inner, string drift) : IMessageBus
    {
        public int Skipped { get; private set; }

        public bool QueueMessage(IMessageSinkMessage message)
        {
            if (message is not ITestFailed failed) return inner.QueueMessage(message);
            Skipped++;
            return inner.QueueMessage(new TestSkipped(failed.Test, $"{drift}; it failed: {failed.Messages[0].ReplaceLineEndings(" ")}"));
        }

        // The bus that it stands for is not its own.
        public void Dispose()
        {
        }
    }
}
