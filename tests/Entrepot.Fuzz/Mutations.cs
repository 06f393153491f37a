namespace Entrepot.Fuzz;

/// <summary>Makes inputs of others, without knowing what they are: for a short run where no fuzzer is at hand.</summary>
public static class Mutations
{
    private const int MostBytes = 4096;

    /// <summary>Gives a target its seeds, and inputs made of them.</summary>
    /// <param name="target">The parser.</param>
    /// <param name="count">How many inputs are made.</param>
    /// <param name="seed">The same seed, the same inputs.</param>
    /// <exception cref="BrokenPromiseException">A promise is broken; the message tells with what input.</exception>
    public static void Run(Target target, int count, int seed)
    {
        foreach (var input in target.Seeds) Try(target, input);

        var random = new Random(seed);
        var pool = target.Seeds.ToList();
        for (var i = 0; i < count; i++)
        {
            var input = Mutate(pool, random);
            Try(target, input);
            if (random.Next(16) == 0) pool[random.Next(pool.Count)] = input;   // so that what is made strays from what is right
            if (random.Next(64) == 0) pool = [.. target.Seeds];
        }
    }

    private static void Try(Target target, byte[] input)
    {
        try
        {
            target.Run(input);
        }
        catch (Exception fault)
        {
            throw new BrokenPromiseException($"{target.Name}, given {Convert.ToBase64String(input)} (base64): {fault.GetType().Name}: {fault.Message}\n{fault.StackTrace}");
        }
    }

    private static byte[] Mutate(List<byte[]> pool, Random random)
    {
        var bytes = pool[random.Next(pool.Count)].ToList();
        for (var times = random.Next(1, 5); times > 0; times--)
        {
            var at = random.Next(bytes.Count + 1);
            switch (random.Next(7))
            {
                case 0 when at < bytes.Count:
                    bytes[at] = (byte)random.Next(256);
                    break;
                case 1:
                    bytes.Insert(at, (byte)random.Next(256));
                    break;
                case 2:
                    bytes.RemoveRange(at, random.Next(bytes.Count - at + 1));
                    break;
                case 3:
                    bytes.InsertRange(at, bytes.GetRange(at, random.Next(bytes.Count - at + 1)));
                    break;
                case 4:
                    var other = pool[random.Next(pool.Count)];
                    var from = random.Next(other.Length + 1);
                    bytes.InsertRange(at, other[from..(from + random.Next(other.Length - from + 1))]);
                    break;
                case 5:
                    bytes.InsertRange(at, Enumerable.Repeat((byte)random.Next(32, 127), random.Next(200)));
                    break;
                case 6 when at < bytes.Count:
                    bytes[at] ^= (byte)(1 << random.Next(8));
                    break;
            }

            if (bytes.Count > MostBytes) bytes.RemoveRange(MostBytes, bytes.Count - MostBytes);
        }

        return [.. bytes];
    }
}
