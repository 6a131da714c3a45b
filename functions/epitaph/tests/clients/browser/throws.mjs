// node throws.mjs CHROMIUM DSN: plays the game on a page of another origin than the DSN's, until it throws.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";

import { errorsOf, withChromium } from "./chromium.mjs";

const here = fileURLToPath(new URL(".", import.meta.url));
const types = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".mjs": "text/javascript" };

const site = createServer(async (request, response) => {
  const path = normalize(new URL(request.url, "http://game").pathname);
  const file = path.startsWith("/node_modules/") ? path : join("/page", path === "/" ? "index.html" : path);
  try {
    const content = await readFile(join(here, file));
    response.writeHead(200, { "content-type": types[extname(file)] ?? "application/octet-stream" }).end(content);
  } catch {
    response.writeHead(404).end();
  }
});
await new Promise((listening) => site.listen(0, "localhost", listening));
const origin = `http://localhost:${site.address().port}`;

const [, , executable, dsn] = process.argv;
await withChromium(executable, async (browser) => {
  const page = await browser.newPage();
  await page.addInitScript((dsn) => (window.DSN = dsn), dsn);
  const errors = errorsOf(page);
  await page.goto(`${origin}/`, { waitUntil: "load" });
  assert.deepEqual(errors, []);
  const posted = page.waitForResponse((response) => {
    const sent = response.request();
    return sent.method() === "POST" && (sent.postDataBuffer() ?? "").includes("the chest is empty");
  });
  await page.click("#chest:enabled");
  const answer = await posted;
  assert.notEqual(new URL(answer.url()).origin, origin);
  assert.equal(answer.status(), 200);
  assert.match((await answer.json()).id, /^[0-9a-f]{32}$/);
  // What the game throws is heard here too; what the browser says of a refused answer would be beside it.
  const others = errors.filter((error) => !error.includes("the chest is empty"));
  assert.deepEqual(others, []);
});
site.close();
