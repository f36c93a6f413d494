// Runs the program in the given file. A panic is a trap, and node exits with 1.
import { readFileSync } from "node:fs";

const { instance } = await WebAssembly.instantiate(readFileSync(process.argv[2]));
instance.exports.main(0, 0);
console.log("1 passed, 0 failed");
