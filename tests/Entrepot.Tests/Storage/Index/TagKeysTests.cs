using Entrepot.Oci;
using Entrepot.Storage.Index;

namespace Entrepot.Tests.Storage.Index;

public sealed class TagKeysTests
{
    private readonly TagKeys _keys = new();

    [Fact]
    public void Of_AgainAndAgain_IsTheKeyOfThatReference()
    {
        var tags = Enumerable.Range(0, 100).Select(number => new Reference("docker.io", "library/alpine", $"3.{number}")).ToArray();

        for (var round = 0; round < 2; round++) Assert.All(tags, tag => Assert.Equal(RowKey.Of(tag), _keys.Of(tag)));
        Assert.NotEqual(_keys.Of(tags[0]), _keys.Of(tags[0] with { Upstream = "ghcr.io" }));
    }

    [Fact]
    public void Of_MoreThanTheCapacity_StaysBoundedAndRight()
    {
        for (var number = 0; number < 3 * TagKeys.Capacity; number++)
        {
            var tag = new Reference("docker.io", "library/alpine", $"{number}");
            Assert.Equal(RowKey.Of(tag), _keys.Of(tag));
        }

        Assert.InRange(_keys.Count, 1, TagKeys.Capacity);
    }
}
