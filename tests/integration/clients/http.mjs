// Uploads by node's http module; prints a line for each answer.
//
//     node http.mjs URL declared|chunked TIMES FILE...

import { once } from "node:events";
import { createReadStream, statSync } from "node:fs";
import http from "node:http";

const [url, framing, times, ...files] = process.argv.slice(2);

async function upload(file) {
  const headers =
    framing === "declared"
      ? { "Content-Length": statSync(file).size }
      : { "Transfer-Encoding": "chunked" };
  const request = http.request(url, { method: "DELETE", headers });
  createReadStream(file).pipe(request);
  const [response] = await once(request, "response");
  // It may come after the answer, and is of no interest then.
  request.on("error", () => {});
  response.resume();
  await once(response, "end");
  return `${response.statusCode} ${response.headers.allow}`;
}

for (const file of files) {
  for (let i = 0; i < Number(times); i++) {
    console.log(await upload(file).catch((error) => `${error}`));
  }
}
