using System;
using System.Diagnostics;
using System.Net;
using System.Threading;

/// /slow takes 3 s, and /work, which uses the CPU half of the time; the stop waits for running requests.
static class Server {
    static int running;

    static void Main() {
        var listener = new HttpListener();
        listener.Prefixes.Add("http://127.0.0.1:" + Environment.GetEnvironmentVariable("PORT") + "/");
        listener.Start();
        AppDomain.CurrentDomain.ProcessExit += (sender, e) => {
            listener.Stop();
            while (Volatile.Read(ref running) > 0) Thread.Sleep(10);
        };
        Console.WriteLine("ready");
        while (true) {
            HttpListenerContext context;
            try { context = listener.GetContext(); } catch (Exception) { Thread.Sleep(-1); return; }
            Interlocked.Increment(ref running);
            new Thread(() => Answer(context)).Start();
        }
    }

    static void Answer(HttpListenerContext context) {
        try {
            if (context.Request.RawUrl != "/") Work(context.Request.RawUrl == "/work");
            context.Response.ContentLength64 = 0;
            context.Response.Close();
        } catch (Exception) {
            // The client has gone.
        } finally {
            Interlocked.Decrement(ref running);
        }
    }

    static void Work(bool burns) {
        var passed = Stopwatch.StartNew();
        while (passed.ElapsedMilliseconds < 3000) {
            var until = passed.ElapsedMilliseconds + (burns ? 20 : 0);
            while (passed.ElapsedMilliseconds < until) { }
            Thread.Sleep(20);
        }
    }
}
