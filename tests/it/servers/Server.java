import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;

/**
 * A web server that finishes its responses in a shutdown hook: java Server.java PORT RELEASE
 *
 * <p>A response is held until the file RELEASE exists.
 */
class Server {
    public static void main(String[] arguments) throws IOException {
        Path release = Path.of(arguments[1]);
        ServerSocket server =
                new ServerSocket(Integer.parseInt(arguments[0]), 50, InetAddress.getLoopbackAddress());
        ExecutorService responses = Executors.newCachedThreadPool();
        Runtime.getRuntime().addShutdownHook(new Thread(() -> stop(server, responses)));
        System.out.println("up");
        while (true) {
            Socket client;
            try {
                client = server.accept();
            } catch (IOException closed) {
                return;
            }
            responses.execute(() -> respond(client, release));
        }
    }

    static void stop(ServerSocket server, ExecutorService responses) {
        System.out.println("stopping");
        try {
            server.close();
            responses.shutdown();
            responses.awaitTermination(1, TimeUnit.HOURS);
        } catch (IOException | InterruptedException error) {
            System.out.println(error);
        }
        System.out.println("finished");
    }

    static void respond(Socket client, Path release) {
        try (client) {
            var request = new BufferedReader(new InputStreamReader(client.getInputStream()));
            for (String line = request.readLine(); line != null && !line.isEmpty(); ) {
                line = request.readLine();
            }
            write(client, "HTTP/1.0 200 OK\r\n\r\nbegin\n");
            while (!Files.exists(release)) {
                Thread.sleep(5);
            }
            write(client, "end\n");
        } catch (IOException | InterruptedException gone) {
            // The client has gone.
        }
    }

    static void write(Socket client, String text) throws IOException {
        client.getOutputStream().write(text.getBytes(StandardCharsets.US_ASCII));
    }
}
