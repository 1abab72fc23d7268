// /slow takes 3 s, and /work, which uses the CPU half of the time; with an argument only while the client is there.
const listens = process.argv.length > 2;
const server = require('http').createServer((request, response) => {
  if (request.url === '/') return response.end();
  let isWanted = true;
  if (listens) response.on('close', () => { isWanted = false; });
  const end = Date.now() + 3000;
  (function slice() {
    if (Date.now() >= end || !isWanted) return response.end();
    for (const until = Date.now() + (request.url === '/work' ? 20 : 0); Date.now() < until;);
    setTimeout(slice, 20);
  })();
}).listen(process.env.PORT, '127.0.0.1');
process.on('SIGTERM', () => server.close());
