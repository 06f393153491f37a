using Entrepot.Server.Edge;
using Entrepot.Storage;
using Entrepot.Tests.Kit;
using Entrepot.Tests.Storage;

namespace Entrepot.Tests.Edge;

/// <summary>What a life of the process looks like to those who probe it.</summary>
public sealed class ProbesTests
{
    [Fact]
    public void Readiness_BeginsWithTheRegistrysListeners_AndEndsWithDraining()
    {
        var folder = Directory.CreateTempSubdirectory("entrepot-probes-");
        using (var root = StoreRoot.Open(folder.FullName))
        {
            var probes = new Probes(new StoreHealth(root, DiskSpaces.Large(root, new MemoryIndex()), TimeProvider.System), () => true);
            Assert.Equal((503, "starting\n"), probes.Answer("/readyz"));
            Assert.Equal((200, "alive\n"), probes.Answer("/healthz"));

            probes.Open();
            Assert.Equal((200, "ready\n"), probes.Answer("/readyz"));

            probes.Drain();
            Assert.Equal((503, "draining\n"), probes.Answer("/readyz"));
        }

        folder.Delete(recursive: true);
    }
}
