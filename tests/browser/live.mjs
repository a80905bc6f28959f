// Looks at a running server in Chromium, as tests/browser_live.rs asks: a JSON object on standard input, what is wrong as lines on
// standard output.
//
//   node live.mjs MODULES look      { looks: [{ name, url, token, path, status, says: [], hides: [] }] }
//   node live.mjs MODULES take      { url, token, text }            takes the alert about `text` on the first page; it must stick
//   node live.mjs MODULES refused   { url, token, path }            a session that may not act tries to, past the missing button
//   node live.mjs MODULES measure   { url, token, paths: [], times } prints { path: { first, interactive, ready, bytes, cold } }: medians,
//                               and `cold`, the first byte of the first load
import { readFileSync } from "node:fs";
import { modules, start } from "./browser.mjs";

const [, , modulesFolder, what] = process.argv;
const { chromium, axe } = modules(modulesFolder);
const asked = JSON.parse(readFileSync(0, "utf8"));
const wrong = [];

async function signedIn(context, url, token) {
  const page = await context.newPage();
  await page.goto(`${url}/sign-in`);
  await page.getByLabel("Token").fill(token);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.locator("#live").waitFor();
  await page.close();
}

async function look(context, how, { name, url, path, status, says = [], hides = [] }) {
  const say = (text) => wrong.push(`${name} ${path} (${how}): ${text}`);
  const page = await context.newPage();
  // that a page is answered with 503 is said on the console too
  page.on("console", (m) => m.type() === "error" && !(status >= 400 && m.text().includes(String(status))) && say(`console: ${m.text()}`));
  page.on("pageerror", (e) => say(`script: ${e.message}`));
  const answer = await page.goto(url + path);
  if (answer.status() !== status) say(`answered ${answer.status()}, expected ${status}`);
  const text = await page.locator("body").innerText();
  for (const words of says) if (!text.includes(words)) say(`does not say “${words}”: ${text.slice(0, 600)}`);
  for (const words of hides) if (text.includes(words)) say(`says “${words}”`);
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  for (const v of violations) say(`axe ${v.id}: ${v.help}: ${v.nodes.slice(0, 3).map((n) => `${n.target} ${n.failureSummary?.split("\n")[1] ?? ""}`).join("; ")}`);
  const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  if (over > 0) say(`wider than the window by ${over} px`);
  if (await page.evaluate(() => window.broken)) say("a script in the data ran");
  await page.close();
}

const ways = [
  ["light, 1280 px", { colorScheme: "light", viewport: { width: 1280, height: 900 } }],
  ["dark, 390 px", { colorScheme: "dark", viewport: { width: 390, height: 900 } }],
];

const doing = {
  async look(browser) {
    for (const [how, options] of ways) {
      const contexts = new Map();
      for (const one of asked.looks) {
        const key = `${one.url} ${one.token}`;
        if (!contexts.has(key)) {
          const context = await browser.newContext({ ...options, reducedMotion: "reduce" });
          context.setDefaultTimeout(120000);
          await signedIn(context, one.url, one.token);
          contexts.set(key, context);
        }
        await look(contexts.get(key), how, one);
      }
      for (const context of contexts.values()) await context.close();
    }
  },

  async take(browser) {
    const context = await browser.newContext(ways[0][1]);
    context.setDefaultTimeout(60000);
    await signedIn(context, asked.url, asked.token);
    const page = await context.newPage();
    await page.goto(`${asked.url}/`);
    const item = page.locator("article[data-key]", { hasText: asked.text }).first();
    await item.getByRole("button", { name: /^I have it/ }).click();
    await page.locator("#notice").getByText("as soon as the pipeline has read it").waitFor();
    // the page asks again by itself
    await page.locator("article[data-key]", { hasText: asked.text }).getByText("has it").first().waitFor();
  },

  async refused(browser) {
    const context = await browser.newContext(ways[0][1]);
    await signedIn(context, asked.url, asked.token);
    const page = await context.newPage();
    await page.goto(`${asked.url}/`);
    if (await page.getByRole("button", { name: /^I have it/ }).count()) wrong.push("a viewer is offered an action");
    const statuses = await page.evaluate(async (path) => {
      const csrf = document.querySelector("input[name=csrf]").value;
      const form = new URLSearchParams({ csrf, back: "/" });
      const own = await fetch(path, { method: "POST", body: form, redirect: "manual" });
      const api = await fetch(`/api/v1${path}`, { method: "POST", headers: { "x-csrf-token": csrf } });
      const forged = await fetch(`/api/v1${path}`, { method: "POST" });
      return [own.status, api.status, forged.status];
    }, asked.path);
    if (statuses.join() !== "403,403,403") wrong.push(`answered ${statuses}, expected 403 thrice`);
  },

  async measure(browser) {
    const context = await browser.newContext(ways[0][1]);
    context.setDefaultTimeout(120000);
    await signedIn(context, asked.url, asked.token);
    const figures = {};
    const median = (all) => all.toSorted((a, b) => a - b)[Math.floor(all.length / 2)];
    for (const path of asked.paths) {
      const all = [];
      for (let i = 0; i < asked.times; i++) {
        const page = await context.newPage();
        const answer = await page.goto(asked.url + path, { waitUntil: "load", timeout: 120000 });
        if (answer.status() !== 200) wrong.push(`${path} answered ${answer.status()}`);
        all.push(await page.evaluate(() => {
          const [t] = performance.getEntriesByType("navigation");
          return { first: t.responseStart - t.requestStart, interactive: t.domInteractive, ready: t.domContentLoadedEventEnd, sent: t.transferSize, bytes: t.decodedBodySize };
        }));
        await page.close();
      }
      const medians = Object.keys(all[0]).map((name) => [name, Math.round(median(all.map((one) => one[name])))]);
      figures[path] = { ...Object.fromEntries(medians), cold: Math.round(all[0].first) };
    }
    console.log(JSON.stringify(figures));
  },
};

const browser = await start(chromium);
try {
  await doing[what](browser);
} catch (error) {
  wrong.push(error.stack);
} finally {
  await browser.close();
}
for (const line of wrong) console.log(line);
process.exit(wrong.length ? 1 : 0);
