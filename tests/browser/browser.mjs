// A browser that sees a folder of pages as a server would send them: with the content security policy, and nothing else.
import { createRequire } from "node:module";
import { readFileSync, existsSync } from "node:fs";
import { execFileSync } from "node:child_process";
import path from "node:path";

/** The modules that fetch.sh has fetched. */
export function modules(folder) {
  const require = createRequire(path.join(folder, "x.js"));
  return { chromium: require("playwright-core").chromium, axe: readFileSync(require.resolve("axe-core/axe.min.js"), "utf8") };
}

export const ORIGIN = "http://retain.test";

/** Starts Chromium; the sandbox needs rights that root in a container has not. */
export function start(chromium) {
  const name = process.env.RETAIN_CHROMIUM || "chromium";
  const executablePath = name.includes("/") ? name : execFileSync("which", [name], { encoding: "utf8" }).trim();
  return chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu", "--force-color-profile=srgb"] });
}

/** Serves `folder` at ORIGIN: NAME is NAME.html, `/assets/…` are files; `answers` (path → function) come first. */
export async function serve(context, folder, policy, answers = {}) {
  await context.route("**/*", async (route) => {
    const request = route.request();
    const url = new URL(request.url());
    const own = answers[url.pathname];
    const headers = { "content-security-policy": policy };
    if (own) return route.fulfill({ headers, contentType: "text/html; charset=utf-8", ...own(request) });
    if (url.origin !== ORIGIN) return route.abort();
    const file = path.join(folder, url.pathname.startsWith("/assets/") ? url.pathname : `${url.pathname}.html`);
    if (!existsSync(file)) return route.fulfill({ status: 404, headers, body: "" });
    const types = { ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml", ".html": "text/html" };
    return route.fulfill({ headers, contentType: `${types[path.extname(file)]}; charset=utf-8`, body: readFileSync(file) });
  });
}
