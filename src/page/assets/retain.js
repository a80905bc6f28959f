// What is live on the page: it asks for itself again, sends actions without leaving, and moves by keys.
// Everything works without it. It keeps nothing and sends nothing but what a form or a link would.
"use strict";
(() => {
  const main = document.getElementById("main");
  const live = document.getElementById("live");
  const said = document.querySelector("[data-live-said]");
  const notice = document.getElementById("notice");
  const told = document.getElementById("told");
  if (!main || !live || !notice || !told) return;

  const usual = 1000 * Number(main.dataset.refreshS || 15);
  let timer = 0;
  let failures = 0;
  let running = null;

  // --- taking over what came ---

  // Somebody is writing, or has opened something to choose from: what they see must not move.
  const busy = () =>
    live.querySelector("details[data-pop][open]") !== null ||
    (live.contains(document.activeElement) && document.activeElement.matches("input, select, textarea"));

  // Takes over the new content where it differs; pieces with a key are kept when they are the same, so that focus,
  // scrolling and what is unfolded stay.
  function take(fresh) {
    const unfolded = new Set([...live.querySelectorAll("details[data-keep][open]")].map((d) => d.dataset.keep));
    for (const details of fresh.querySelectorAll("details[data-keep]")) {
      if (unfolded.has(details.dataset.keep)) details.open = true;
    }
    const scrolled = new Map([...live.querySelectorAll(".table-scroll")].map((e) => [e.ariaLabel, e.scrollLeft]));
    const refocus = focusIn();
    const old = new Map([...live.querySelectorAll("[data-key]")].map((e) => [e.dataset.key, e]));
    for (const piece of fresh.querySelectorAll("[data-key]")) {
      const before = old.get(piece.dataset.key);
      if (before && before.isEqualNode(piece)) piece.replaceWith(before);
    }
    live.replaceChildren(...fresh.childNodes);
    for (const table of live.querySelectorAll(".table-scroll")) table.scrollLeft = scrolled.get(table.ariaLabel) || 0;
    refocus();
  }

  // Remembers where the focus is, as a piece and a place in it, and gives back how to return there.
  function focusIn() {
    const active = document.activeElement;
    if (!live.contains(active)) return () => {};
    const stops = (root) => [...root.querySelectorAll("a[href], button, summary, [tabindex]")];
    const piece = active.closest("[data-key]");
    const key = piece && piece.dataset.key;
    const place = stops(piece || live).indexOf(active);
    return () => {
      const root = key ? live.querySelector(`[data-key="${CSS.escape(key)}"]`) : live;
      const again = root && (stops(root)[place] || (key ? root : null));
      if (again) again.focus({ preventScroll: true });
    };
  }

  const alertsIn = (root) => new Set([...root.querySelectorAll("[data-queue] [data-key]")].map((e) => e.dataset.key));

  function changes(fresh) {
    const before = alertsIn(live);
    const after = alertsIn(fresh);
    const came = [...after].filter((k) => !before.has(k)).length;
    const went = [...before].filter((k) => !after.has(k)).length;
    const parts = [];
    if (came) parts.push(`${came} new`);
    if (went) parts.push(`${went} gone`);
    return parts.join(", ");
  }

  // Whether a page that came says the same. Ids of commands are new on every page: they alone are no change, and the forms that
  // stay keep theirs, so that a button that is pressed again has its effect once.
  function same(fresh) {
    const ids = (root) => root.querySelectorAll('input[name="command_id"]');
    const probe = fresh.cloneNode(true);
    const mine = ids(live);
    ids(probe).forEach((id, i) => mine[i] && id.setAttribute("value", mine[i].getAttribute("value")));
    return live.isEqualNode(probe);
  }

  // A page that came: its live part, its stamp, its notice.
  function show(text, announce) {
    const page = new DOMParser().parseFromString(text, "text/html");
    const fresh = page.getElementById("live");
    if (!fresh) return false;
    const moved = changes(fresh);
    if (!same(fresh)) take(fresh);
    const stamp = page.querySelector(".stamp-line > div");
    const here = document.querySelector(".stamp-line > div");
    if (stamp && here) {
      const kept = [...stamp.children].filter((c) => !c.hasAttribute("data-live-said"));
      here.replaceChildren(...kept, said);
    }
    const news = page.getElementById("notice");
    if (announce) notice.replaceChildren(...(news ? news.childNodes : []));
    else if (moved) tell(`The list has changed: ${moved}.`);
    return true;
  }

  // For readers of the screen.
  function tell(text) {
    told.textContent = text;
  }

  // For everybody.
  function complain(text) {
    const box = document.createElement("div");
    box.className = "notice critical";
    const line = document.createElement("p");
    line.textContent = text;
    box.append(line);
    notice.replaceChildren(box);
  }

  // --- asking again ---

  function status(text) {
    if (said) said.textContent = text;
  }

  async function refresh() {
    clearTimeout(timer);
    if (running || document.hidden || busy()) return later(usual);
    running = new AbortController();
    const limit = setTimeout(() => running && running.abort(), 20000);
    try {
      const answer = await fetch(location.href, { headers: { accept: "text/html" }, signal: running.signal });
      if (answer.redirected && new URL(answer.url).pathname !== location.pathname) return location.assign(answer.url);
      if (!answer.ok) throw new Error(String(answer.status));
      const text = await answer.text();
      if (!busy()) show(text, false);
      failures = 0;
      status(`Live, ${new Date().toLocaleTimeString()}`);
    } catch {
      failures += 1;
      status("Not live: the server does not answer. Trying again.");
    } finally {
      clearTimeout(limit);
      running = null;
    }
    later(Math.min(usual * 2 ** Math.min(failures, 4), 240000));
  }

  function later(ms) {
    clearTimeout(timer);
    timer = setTimeout(refresh, ms);
  }

  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) refresh();
  });

  // --- actions in place ---

  document.addEventListener("submit", async (event) => {
    const form = event.target;
    if (!form.matches("form[data-act]")) return;
    event.preventDefault();
    const button = event.submitter;
    if (form.getAttribute("aria-busy") === "true") return;
    form.setAttribute("aria-busy", "true");
    if (button) button.setAttribute("aria-busy", "true");
    if (running) running.abort();
    const key = form.closest("[data-key]")?.dataset.key;
    try {
      const body = new URLSearchParams(new FormData(form, button));
      const answer = await fetch(form.action, { method: "POST", body });
      const text = await answer.text();
      form.closest("details")?.removeAttribute("open");
      if (!show(text, true)) return location.assign(answer.url);
      if (!answer.ok || document.querySelector("#live [data-trouble]")) return;
      const item = key && live.querySelector(`[data-key="${CSS.escape(key)}"]`);
      if (item) item.focus({ preventScroll: true });
      // the pipeline reads the action within seconds
      for (const ms of [1000, 3000]) setTimeout(refresh, ms);
    } catch {
      complain("The server does not answer: it may have the action or not. Try again: pressed twice, it has one effect.");
    } finally {
      form.removeAttribute("aria-busy");
      if (button) button.removeAttribute("aria-busy");
    }
  });

  // --- what is opened closes again, keys move in the list ---

  document.addEventListener("click", (event) => {
    for (const open of document.querySelectorAll("details[data-pop][open]")) {
      if (!open.contains(event.target)) open.open = false;
    }
  });

  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      const open = document.querySelector("details[data-pop][open]");
      if (open) {
        open.open = false;
        open.querySelector("summary").focus();
      }
      return;
    }
    // Only while the focus is in the list and nothing is being written: single keys are nobody's accident.
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const list = event.target.closest && event.target.closest("[data-queue]");
    if (!list || event.target.matches("input, select, textarea")) return;
    const items = [...list.querySelectorAll("[data-key]")];
    const at = items.indexOf(event.target.closest("[data-key]"));
    const step = { j: 1, k: -1 }[event.key];
    if (step) {
      const next = items[Math.max(0, Math.min(items.length - 1, at + step))];
      event.preventDefault();
      next.focus();
      next.scrollIntoView({ block: "nearest" });
    } else if (event.key === "o" && at >= 0) {
      items[at].querySelector("a[data-open], a")?.click();
    }
  });

  later(usual);
})();
