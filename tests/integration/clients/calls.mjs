// Calls a server that rejects calls with a gRPC client of npm.
//
//     node calls.mjs MODULES grpc-js|grpc-web|Connect|gRPC|gRPC-Web URL
//
// The last three are the protocols of connect-node. MODULES is the directory where npm installed the
// clients. Prints the client's version, then the status that it shows for each call; 0 is a reply.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const [modules, client, url] = process.argv.slice(2);
const require = createRequire(join(modules, "package.json"));
const HEALTH = "grpc.health.v1.Health";

// Messages without fields are no bytes.
const serialize = () => Buffer.alloc(0);
const parse = () => ({});

function grpcJs() {
  const grpc = require("@grpc/grpc-js");
  const channel = new grpc.Client(new URL(url).host, grpc.credentials.createInsecure());
  const unary = (path) =>
    new Promise((resolve) => {
      channel.makeUnaryRequest(path, serialize, parse, {}, (error) => resolve(error?.code ?? 0));
    });
  const streaming = (path) =>
    new Promise((resolve) => {
      const call = channel.makeServerStreamRequest(path, serialize, parse, {});
      call.on("data", () => {});
      call.on("error", (error) => resolve(error.code));
      call.on("end", () => resolve(0));
    });
  return {
    Check: () => unary(`/${HEALTH}/Check`),
    List: () => unary(`/${HEALTH}/List`),
    Watch: () => streaming(`/${HEALTH}/Watch`),
  };
}

function grpcWeb() {
  globalThis.XMLHttpRequest = require("xhr2");
  const web = require("grpc-web");
  const { UNARY, SERVER_STREAMING } = web.MethodType;
  const calls = {};
  for (const format of ["text", "binary"]) {
    const base = new web.GrpcWebClientBase({ format });
    // What both kinds of call begin with: URL, message, metadata, and descriptor.
    const call = (path, type) => [
      new URL(path, url).href,
      {},
      {},
      new web.MethodDescriptor(path, type, Object, Object, serialize, parse),
    ];
    calls[`List-${format}`] = () =>
      new Promise((resolve) => {
        base.rpcCall(...call(`/${HEALTH}/List`, UNARY), (error) => resolve(error?.code ?? 0));
      });
    calls[`Watch-${format}`] = () =>
      new Promise((resolve) => {
        const stream = base.serverStreaming(...call(`/${HEALTH}/Watch`, SERVER_STREAMING));
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
    const suffix = protocol === "Grpc" ? "" : `-${httpVersion}`;
    if (protocol === "Grpc") {
      calls.Check = () => client.check({}).then(() => 0, code);
    }
    calls[`List${suffix}`] = () => client.list({}).then(() => 0, code);
    calls[`Watch${suffix}`] = async () => {
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
  "grpc-js": ["@grpc/grpc-js", grpcJs],
  "grpc-web": ["grpc-web", grpcWeb],
  Connect: ["@connectrpc/connect-node", () => connect("Connect")],
  gRPC: ["@connectrpc/connect-node", () => connect("Grpc")],
  "gRPC-Web": ["@connectrpc/connect-node", () => connect("GrpcWeb")],
};

const [name, start] = CLIENTS[client];
const manifest = join(modules, "node_modules", name, "package.json");
console.log(`version ${JSON.parse(readFileSync(manifest)).version}`);
for (const [call, run] of Object.entries(start())) {
  console.log(`${call} ${await run()}`);
}
// Idle connections would keep the program running.
process.exit();
