#!/usr/bin/env node
// Works on a timer until the stop is requested:
//     winddown --token /tmp/stop -- examples/token/worker.js
const fs = require("node:fs");

process.on("SIGTERM", () => {}); // The token announces the stop.
let pieces = 0;
const work = setInterval(() => (pieces += 1), 50);

// Its end comes with the stop. Opened again, so that no other process's descriptor changes.
const stop = fs.createReadStream(`/proc/self/fd/${process.env.SHUTDOWN_FD}`);
stop.resume();
stop.on("end", () => {
  clearInterval(work);
  console.log(`done ${pieces} pieces`);
});
console.log("ready");
