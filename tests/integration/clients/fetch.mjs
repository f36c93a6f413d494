// Uploads with `fetch`. Prints a line for each answer.
//
//     node fetch.mjs URL declared|chunked TIMES FILE...

import { readFile } from "node:fs/promises";

const [url, framing, times, ...files] = process.argv.slice(2);

async function upload(content) {
  const body = framing === "declared" ? content : new Blob([content]).stream();
  const response = await fetch(url, { method: "DELETE", body, duplex: "half" });
  await response.arrayBuffer();
  return `${response.status} ${response.headers.get("allow")}`;
}

for (const file of files) {
  const content = await readFile(file);
  for (let i = 0; i < Number(times); i++) {
    console.log(await upload(content).catch((error) => `${error}: ${error.cause}`));
  }
}
