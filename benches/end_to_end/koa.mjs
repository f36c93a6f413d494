// What the examples of the crate do, by @koa/router's allowedMethods().

import Koa from "koa";
import Router from "@koa/router";

const router = new Router();
router.get("/", (context) => {
  context.body = "1: Hello!\n";
});
router.post("/", (context) => {
  context.status = 201;
});

const app = new Koa();
app.use(router.routes());
app.use(router.allowedMethods());

const server = app.listen(0, "127.0.0.1", () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}`);
});
