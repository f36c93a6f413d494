// Calls a server with a gRPC client of npm. The server rejects calls.
//
//     node calls.mjs MODULES CLIENT URL
//
// MODULES is the directory where npm installed the clients. Prints the client's version. Then prints the status of
// each call. A reply is 0.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const [modules, client, url] = process.argv.slice(2);
const require = createRequire(join(modules, "package.json"));
const HEALTH = "grpc.health.v1.Health";

// A message without fields is empty.
const serialize = () => Buffer.alloc(0);
const parse = () => ({});

function grpcJs() {
  const grpc = require("@grpc/grpc-js");
  const channel = new grpc.Client(new URL(url).host, grpc.credentials.createInsecure());
  const unary = (path) =>
    new Promise((resolve) => {
      channel.makeUnaryRequest(path, serialize, parse, {}, (error) => resolve(error?.code ?? 0));
    });
  return {
    Check: () => unary(`/${HEALTH}/Check`),
    List: () => unary(`/${HEALTH}/List`),
    Watch: () =>
      new Promise((resolve) => {
        const call = channel.makeServerStreamRequest(`/${HEALTH}/Watch`, serialize, parse, {});
        call.on("data", () => {});
        call.on("error", (error) => resolve(error.code));
        call.on("end", () => resolve(0));
      }),
  };
}

function grpcWeb() {
  globalThis.XMLHttpRequest = require("xhr2");
  const web = require("grpc-web");
  const { UNARY, SERVER_STREAMING } = web.MethodType;
  const calls = {};
  for (const format of ["text", "binary"]) {
    const base = new web.GrpcWebClientBase({ format });
    const commonArguments = (path, type) => [
      new URL(path, url).href,
      {},
      {},
      new web.MethodDescriptor(path, type, Object, Object, serialize, parse),
    ];
    calls[`List-${format}`] = () =>
      new Promise((resolve) => {
        base.rpcCall(...commonArguments(`/${HEALTH}/List`, UNARY), (error) => resolve(error?.code ?? 0));
      });
    calls[`Watch-${format}`] = () =>
      new Promise((resolve) => {
        const stream = base.serverStreaming(...commonArguments(`/${HEALTH}/Watch`, SERVER_STREAMING));
        stream.on("error", (error) => resolve(error.code));
        stream.on("end", () => resolve(0));
      });
  }
  return calls;
}

function connect(protocol) {
  const { create, createFileRegistry } = require("@bufbuild/protobuf");
  const wkt = require("@bufbuild/protobuf/wkt");
  const { createClient } = require("@connectrpc/connect");
  const node = require("@connectrpc/connect-node");

  const empty = { inputType: ".google.protobuf.Empty", outputType: ".google.protobuf.Empty" };
  const method = [
    { name: "Check", ...empty },
    { name: "List", ...empty },
    { name: "Watch", ...empty, serverStreaming: true },
  ];
  const file = create(wkt.FileDescriptorProtoSchema, {
    name: "health.proto",
    syntax: "proto3",
    package: "grpc.health.v1",
    dependency: ["google/protobuf/empty.proto"],
    service: [{ name: "Health", method }],
  });
  const registry = createFileRegistry(file, () => wkt.file_google_protobuf_empty.proto);
  const service = registry.getService(HEALTH);
  const code = (error) => error.code ?? Promise.reject(error);

  const calls = {};
  // gRPC needs HTTP/2.
  for (const httpVersion of protocol === "Grpc" ? ["2"] : ["1.1", "2"]) {
    const transport = node[`create${protocol}Transport`]({ baseUrl: url, httpVersion });
    const client = createClient(service, transport);
    if (protocol === "Grpc") {
      calls.Check = () => client.check({}).then(() => 0, code);
    }
    calls[`List-${httpVersion}`] = () => client.list({}).then(() => 0, code);
    calls[`Watch-${httpVersion}`] = async () => {
      try {
        for await (const _ of client.watch({}));
        return 0;
      } catch (error) {
        return code(error);
      }
    };
  }
  return calls;
}

const CLIENTS = {
  "@grpc/grpc-js": grpcJs,
  "grpc-web": grpcWeb,
  "@connectrpc/connect-node, Connect": () => connect("Connect"),
  "@connectrpc/connect-node, gRPC": () => connect("Grpc"),
  "@connectrpc/connect-node, gRPC-Web": () => connect("GrpcWeb"),
};

const manifest = join(modules, "node_modules", client.split(", ")[0], "package.json");
console.log(`version ${JSON.parse(readFileSync(manifest)).version}`);
for (const [call, run] of Object.entries(CLIENTS[client]())) {
  console.log(`${call} ${await run()}`);
}
// Idle connections would keep the program running.
process.exit();
