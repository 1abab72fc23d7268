// A web server that finishes its responses: node server.mjs PORT RELEASE
// A response is held until the file RELEASE exists.
import { existsSync } from "node:fs";
import { createServer } from "node:http";

const [port, release] = process.argv.slice(2);

const server = createServer((request, response) => {
  response.write("begin\n");
  const timer = setInterval(() => {
    if (existsSync(release)) {
      clearInterval(timer);
      response.end("end\n");
    }
  }, 5);
});
server.listen(Number(port), "127.0.0.1", () => console.log("up"));

process.on("SIGTERM", () => {
  console.log("stopping");
  server.close(() => {
    console.log("finished");
    process.exitCode = 3;
  });
});
