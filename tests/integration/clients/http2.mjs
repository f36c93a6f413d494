// A rejected upload over HTTP/2 of which no more than three bytes come.
//
//     node http2.mjs URL declared|undeclared
//
// Prints `sent`, then the answer, then, unless the server is stopping, the status of another request
// on the same connection.

import { once } from "node:events";
import http2 from "node:http2";

const [url, framing] = process.argv.slice(2);
const session = http2.connect(url);
const length = framing === "declared" ? { "content-length": 100 } : {};
const upload = session.request({ ":method": "DELETE", ...length }, { endStream: false });
upload.write("abc", () => console.log("sent"));
const [answer] = await once(upload, "response");
upload.resume();
await once(upload, "end");
console.log(`${answer[":status"]} ${answer.allow}`);

if (!session.closed) {
  const next = session.request({});
  const [response] = await once(next, "response");
  next.resume();
  await once(next, "end");
  console.log(response[":status"]);
  session.close();
}
