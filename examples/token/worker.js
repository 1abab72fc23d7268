#!/usr/bin/env node
// Works on a timer until the stop is asked:
//     winddown --token /tmp/stop -- examples/token/worker.js
const fs = require("node:fs");

process.on("SIGTERM", () => {}); // The token tells.
let pieces = 0;
const work = setInterval(() => (pieces += 1), 50);

// Its end comes with the stop. Opened once more, so that nobody else's descriptor is changed.
const stop = fs.createReadStream(`/proc/self/fd/${process.env.SHUTDOWN_FD}`);
stop.resume();
stop.on("end", () => {
  clearInterval(work);
  console.log(`done ${pieces} pieces`);
});
console.log("ready");
