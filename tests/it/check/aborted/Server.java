import com.sun.net.httpserver.HttpServer;
import java.net.InetSocketAddress;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;

/** /slow takes 3 s, and /work, which uses the CPU half of the time; the stop waits for the pool. */
class Server {
    public static void main(String[] words) throws Exception {
        var address = new InetSocketAddress("127.0.0.1", Integer.parseInt(System.getenv("PORT")));
        var server = HttpServer.create(address, 50);
        var pool = Executors.newCachedThreadPool();
        server.setExecutor(pool);
        server.createContext("/", exchange -> {
            String path = exchange.getRequestURI().getPath();
            if (!path.equals("/")) work(path.equals("/work"));
            exchange.sendResponseHeaders(200, -1);
            exchange.close();
        });
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            server.stop(0);
            pool.shutdown();
            try {
                pool.awaitTermination(30, TimeUnit.SECONDS);
            } catch (InterruptedException gone) { }
        }));
        server.start();
    }

    static void work(boolean burns) {
        long end = System.nanoTime() + 3_000_000_000L;
        while (System.nanoTime() < end) {
            long until = System.nanoTime() + (burns ? 20_000_000L : 0);
            while (System.nanoTime() < until) { }
            try { Thread.sleep(20); } catch (InterruptedException gone) { return; }
        }
    }
}
