// Looks at every page in Chromium: axe finds no violation, light and dark, wide and narrow; nothing is wider than the
// window; no error on the console (the policy's included); and what the script does works. Prints what is wrong.
//
//   node check.mjs MODULES FOLDER      FOLDER: pages as NAME.html, their files below assets/, policy.txt
import { readFileSync, readdirSync } from "node:fs";
import path from "node:path";
import { ORIGIN, modules, serve, start } from "./browser.mjs";
import { behaviour } from "./behaviour.mjs";

const [, , modulesFolder, folder] = process.argv;
const { chromium, axe } = modules(modulesFolder);
const policy = readFileSync(path.join(folder, "policy.txt"), "utf8");
const names = readdirSync(folder).filter((f) => f.endsWith(".html")).map((f) => f.slice(0, -5)).sort();
const wrong = [];
let looked = 0;

async function look(context, name, how) {
  const page = await context.newPage();
  const say = (text) => wrong.push(`${name} (${how}): ${text}`);
  page.on("console", (m) => m.type() === "error" && say(`console: ${m.text()}`));
  page.on("pageerror", (e) => say(`script: ${e.message}`));
  await page.goto(`${ORIGIN}/${name}`);
  // what is unfolded must be as good: tried where there is least room
  if (how.endsWith("390 px")) {
    await page.evaluate(() => {
      for (const d of document.querySelectorAll("details.part, details.more")) d.open = true;
      const choices = document.querySelector("details.pop");
      if (choices) choices.open = true;
    });
  }
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  for (const v of violations) say(`axe ${v.id}: ${v.help}: ${v.nodes.slice(0, 3).map((n) => `${n.target} ${n.failureSummary?.split("\n")[1] ?? ""}`).join("; ")}`);
  const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  if (over > 0) say(`wider than the window by ${over} px`);
  if (await page.evaluate(() => window.broken)) say("a script in the data ran");
  looked += 1;
  await page.close();
}

const browser = await start(chromium);
try {
  for (const colorScheme of ["light", "dark"]) {
    for (const width of [1280, 390]) {
      const context = await browser.newContext({ colorScheme, viewport: { width, height: 900 }, reducedMotion: "reduce" });
      await serve(context, folder, policy);
      for (const name of names) await look(context, name, `${colorScheme}, ${width} px`);
      await context.close();
    }
  }
  wrong.push(...(await behaviour(browser, folder, policy)));
} finally {
  await browser.close();
}
for (const line of wrong) console.log(line);
console.log(`${looked} looks at ${names.length} pages, ${wrong.length} things wrong`);
process.exit(wrong.length || !looked ? 1 : 0);
