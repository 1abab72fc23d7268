// Processes the changes in `feed`, one a line, and keeps in `checkpoint` how many are done.
using System;
using System.Globalization;
using System.IO;
using System.Threading;
using System.Threading.Tasks;

static class Feed
{
    static int position;

    static int Main()
    {
        var stop = new CancellationTokenSource();
        var ended = new ManualResetEventSlim();
        Console.CancelKeyPress += (_, key) => { key.Cancel = true; stop.Cancel(); }; // Ctrl+C
        AppDomain.CurrentDomain.ProcessExit += (_, __) =>                            // SIGTERM
        {
            stop.Cancel();
            ended.Wait();
        };
        try
        {
            Environment.ExitCode = Run(stop.Token).GetAwaiter().GetResult();
        }
        finally
        {
            ended.Set();
        }
        return Environment.ExitCode;
    }

    static async Task<int> Run(CancellationToken stop)
    {
        var changes = File.ReadAllLines("feed");
        position = File.Exists("checkpoint") ? int.Parse(File.ReadAllText("checkpoint")) : 0;
        var seconds = Environment.GetEnvironmentVariable("PAUSE") ?? "0.1";
        var pause = TimeSpan.FromSeconds(double.Parse(seconds, CultureInfo.InvariantCulture));
        Console.WriteLine($"going on after {position}");
        try
        {
            for (; position < changes.Length; position++)
            {
                await Task.Delay(pause, stop);
                Process(changes[position]);
            }
        }
        catch (OperationCanceledException)
        {
            Keep();
            Console.WriteLine($"stopped after {position}");
            return 0;
        }
        catch (IOException failure)
        {
            Keep();
            Console.WriteLine(failure.Message);
            return 1;
        }
        Keep();
        Console.WriteLine($"all {position} done");
        return 0;
    }

    static void Process(string change)
    {
        var attempt = Environment.GetEnvironmentVariable("SHUTDOWN_ATTEMPT") ?? "1";
        if (change == Environment.GetEnvironmentVariable("FAILS_ONCE") && attempt == "1")
        {
            throw new IOException($"no answer about {change}");
        }
        File.AppendAllText("done", change + "\n");
    }

    static void Keep()
    {
        File.WriteAllText("checkpoint.new", position + "\n");
        if (File.Exists("checkpoint"))
        {
            File.Replace("checkpoint.new", "checkpoint", null);
        }
        else
        {
            File.Move("checkpoint.new", "checkpoint");
        }
    }
}
