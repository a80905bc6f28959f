// What the script does, tried as a person would: taking an alert in place, a list that moves, keys, a server that is away,
// and everything again without the script.
import { readFileSync } from "node:fs";
import path from "node:path";
import { ORIGIN, serve } from "./browser.mjs";

export async function behaviour(browser, folder, policy) {
  const wrong = [];
  const html = (name) => readFileSync(path.join(folder, `${name}.html`), "utf8");

  async function attempt(name, answers, options, steps) {
    const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
    context.setDefaultTimeout(10000);
    await serve(context, folder, policy, answers);
    const page = await context.newPage();
    page.on("pageerror", (e) => wrong.push(`${name}: ${e.message}`));
    const must = (is, text) => is || wrong.push(`${name}: ${text}`);
    try {
      await steps(page, must);
    } catch (e) {
      wrong.push(`${name}: ${e.message.split("\n").slice(0, 3).join(" ")}`);
    }
    await context.close();
  }

  const sent = [];
  const acknowledged = /^\/alerts\/[0-9a-f]+\/acknowledge$/;
  const withPosts = (answer) => new Proxy({}, {
    get: (_, p) => (acknowledged.test(p) || /snooze$/.test(p) ? answer : p === "/" ? () => ({ body: html("today") }) : undefined),
  });
  const take = (request) => {
    sent.push({ path: new URL(request.url()).pathname, body: new URLSearchParams(request.postData()) });
    return { body: html("today-taken") };
  };

  await attempt("taking an alert", withPosts(take), {}, async (page, must) => {
    await page.goto(`${ORIGIN}/`);
    await page.locator("form[data-act] button.primary").first().click();
    await page.locator("#notice").getByText("You have it").waitFor();
    must(new URL(page.url()).pathname === "/", "the page was left");
    const post = sent.pop();
    must(acknowledged.test(post.path), `sent to ${post.path}`);
    must(post.body.get("csrf") === "c5rf-t0ken" && post.body.get("episode") === "1" && post.body.get("back") === "/", `sent ${post.body}`);
    must(await page.evaluate(() => document.activeElement.matches("article[data-key]")), "focus is lost");
  });

  await attempt("taking an alert without the script", withPosts(take), { javaScriptEnabled: false }, async (page, must) => {
    await page.goto(`${ORIGIN}/`);
    must(await page.getByText("Northwind Traders").first().isVisible(), "the list is not readable");
    await page.locator("form[data-act] button.primary").first().click();
    await page.getByText("You have it").waitFor();
    must(sent.pop()?.body.get("csrf") === "c5rf-t0ken", "the token was not sent");
  });

  await attempt("putting an alert off", withPosts(take), {}, async (page, must) => {
    await page.goto(`${ORIGIN}/`);
    await page.locator("summary", { hasText: "Put off" }).first().click();
    await page.getByLabel("Note, for the history").first().fill("on holiday");
    await page.getByRole("button", { name: "1 week" }).first().click();
    await page.locator("#notice").getByText("You have it").waitFor();
    const post = sent.pop();
    must(post.body.get("days") === "7" && post.body.get("note") === "on holiday", `sent ${post.body}`);
  });

  await attempt("an action that is refused", withPosts(() => ({ status: 403, body: html("trouble-forbidden") })), {}, async (page, must) => {
    await page.goto(`${ORIGIN}/`);
    await page.locator("form[data-act] button.primary").first().click();
    await page.getByText("the role viewer may not act on alerts").waitFor();
    must(await page.getByText("Acting on alerts needs the role operator").isVisible(), "it is not said what to do");
  });

  await attempt("an action that does not arrive", {}, {}, async (page, must) => {
    await page.goto(`${ORIGIN}/today`);
    await page.route(/acknowledge$/, (route) => route.abort());
    await page.locator("form[data-act] button.primary").first().click();
    await page.getByText("The server does not answer: it may have the action or not").waitFor();
    must(await page.getByText("Northwind Traders").first().isVisible(), "what was there is gone");
  });

  let turn = 0;
  const turning = () => ({ body: html("today").replaceAll(">2 h ago<", `>${2 + turn++} h ago<`) });
  await attempt("a list that is read while it moves", { "/": turning }, {}, async (page, must) => {
    await page.clock.install();
    await page.goto(`${ORIGIN}/`);
    await page.locator("[data-queue] article").nth(1).getByRole("button", { name: /^I have it/ }).focus();
    const focused = () => page.evaluate(() => `${document.activeElement.closest("[data-key]")?.dataset.key} ${document.activeElement.textContent}`);
    const before = await focused();
    await page.clock.runFor(16000);
    await page.getByText("3 h ago", { exact: true }).first().waitFor();
    must((await focused()) === before, "focus has moved");
  });

  let current = "today";
  await attempt("a list that moves", { "/": () => ({ body: html(current) }) }, {}, async (page, must) => {
    await page.clock.install();
    await page.goto(`${ORIGIN}/`);
    current = "today-empty";
    await page.locator("summary", { hasText: "Put off" }).first().click();
    await page.clock.runFor(16000);
    must(await page.getByText("Northwind Traders").first().isVisible(), "it moved while somebody was choosing");
    await page.keyboard.press("Escape");
    await page.clock.runFor(16000);
    await page.locator("#live").getByRole("heading", { name: "Nothing at risk" }).waitFor();
    must((await page.locator("#told").textContent()).includes("gone"), "the change is not said");
  });

  let away = false;
  await attempt("a server that is away", { "/": () => (away ? { status: 503, body: "" } : { body: html("today") }) }, {}, async (page, must) => {
    await page.clock.install();
    await page.goto(`${ORIGIN}/`);
    away = true;
    await page.clock.runFor(16000);
    await page.getByText("Not live: the server does not answer").waitFor();
    must(await page.getByText("Northwind Traders").first().isVisible(), "what was there is gone");
    away = false;
    await page.clock.runFor(31000);
    await page.getByText(/^Live, /).waitFor();
  });

  await attempt("keys", {}, {}, async (page, must) => {
    await page.goto(`${ORIGIN}/today`);
    await page.keyboard.press("Tab");
    must(await page.evaluate(() => document.activeElement.classList.contains("skip")), "the first stop is not the skip link");
    await page.keyboard.press("Enter");
    must(await page.evaluate(() => document.activeElement.id === "main"), "the skip link does not lead to the content");
    const here = () => page.evaluate(() => document.activeElement.closest("[data-key]")?.dataset.key);
    await page.locator("[data-queue] h2 a").first().focus();
    const first = await here();
    await page.keyboard.press("j");
    must((await here()) !== first, "j does not move on");
    await page.keyboard.press("k");
    must((await here()) === first, "k does not move back");
  });
  return wrong;
}
