// Refused uploads by node's http module; prints a line for each answer.
//
//     node http.mjs URL FILE declared|chunked TIMES

import { once } from "node:events";
import { createReadStream, statSync } from "node:fs";
import http from "node:http";

const [url, file, framing, times] = process.argv.slice(2);
const headers =
  framing === "declared"
    ? { "Content-Length": statSync(file).size }
    : { "Transfer-Encoding": "chunked" };

for (let i = 0; i < Number(times); i++) {
  const request = http.request(url, { method: "DELETE", headers });
  createReadStream(file).pipe(request);
  const [response] = await once(request, "response");
  response.resume();
  await once(response, "end");
  console.log(`${response.statusCode} ${response.headers.allow}`);
}
