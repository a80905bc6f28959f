// Takes pictures of pages, of a folder of HTML or of a running server.
//
//   node shots.mjs MODULES OUT FOLDER [NAME ...]                    pages of a folder, light and dark, wide and narrow
//   node shots.mjs MODULES OUT http://HOST:PORT TOKEN PATH=NAME ... pages of a server, signed in with a token; for the README
//
// Environment: RETAIN_SHOT_SCHEME (light|dark) and RETAIN_SHOT_WIDTH (pixels) take only one of each; RETAIN_SHOT_HEIGHT (900).
import { mkdirSync, readFileSync, readdirSync } from "node:fs";
import path from "node:path";
import { ORIGIN, modules, serve, start } from "./browser.mjs";

const [, , modulesFolder, out, from, ...rest] = process.argv;
const { chromium } = modules(modulesFolder);
const schemes = process.env.RETAIN_SHOT_SCHEME ? [process.env.RETAIN_SHOT_SCHEME] : ["light", "dark"];
const widths = process.env.RETAIN_SHOT_WIDTH ? [Number(process.env.RETAIN_SHOT_WIDTH)] : [1280, 390];
const height = Number(process.env.RETAIN_SHOT_HEIGHT || 900);
mkdirSync(out, { recursive: true });

const browser = await start(chromium);
for (const colorScheme of schemes) {
  for (const width of widths) {
    const context = await browser.newContext({ colorScheme, viewport: { width, height }, deviceScaleFactor: from.includes("://") ? 2 : 1, reducedMotion: "reduce" });
    const page = await context.newPage();
    let pages;
    if (from.includes("://")) {
      const [token, ...wanted] = rest;
      await page.goto(`${from}/sign-in`);
      await page.getByLabel("Token").fill(token);
      await page.getByRole("button", { name: "Sign in" }).click();
      await page.locator("#live").waitFor();
      pages = wanted.map((w) => w.split("=")).map(([at, name]) => [from + at, name]);
    } else {
      await serve(context, from, readFileSync(path.join(from, "policy.txt"), "utf8"));
      const all = readdirSync(from).filter((f) => f.endsWith(".html")).map((f) => f.slice(0, -5));
      pages = (rest.length ? rest : all).map((name) => [`${ORIGIN}/${name}`, name]);
    }
    for (const [url, name] of pages) {
      await page.goto(url);
      const fullPage = !from.includes("://");
      const file = fullPage ? `${name}-${colorScheme}-${width}.png` : `${name}.png`;
      await page.screenshot({ path: path.join(out, file), fullPage });
    }
    await context.close();
  }
}
await browser.close();
