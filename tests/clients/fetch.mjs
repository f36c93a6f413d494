// Refused uploads by fetch; prints a line for each answer.
//
//     node fetch.mjs URL FILE declared|chunked TIMES

import { readFile } from "node:fs/promises";

const [url, file, framing, times] = process.argv.slice(2);
const content = await readFile(file);

for (let i = 0; i < Number(times); i++) {
  const body = framing === "declared" ? content : new Blob([content]).stream();
  const response = await fetch(url, { method: "DELETE", body, duplex: "half" });
  await response.arrayBuffer();
  console.log(`${response.status} ${response.headers.get("allow")}`);
}
