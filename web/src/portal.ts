// The signer's pages. Each was rendered from the state of the request; this
// script reloads the page when the state is another one.

import { rotateCode } from "./lib/code";
import { countDown } from "./lib/countdown";
import { showDocument, showPlaces } from "./lib/document";
import { formUnderway, guardForms, release } from "./lib/forms";
import { Live, type State } from "./lib/live";
import { menus } from "./lib/menu";
import { announce, find, findAll, memory, savesData, showLost, text } from "./lib/page";
import { upload } from "./lib/upload";
import { startReview } from "./review";
import type { Viewer } from "./viewer";

void showDocuments(); // first: the worker and the viewer take longest
guardForms();
menus();
follow();
rotateCode();
checkDocuments();
takeDrops();
warm();

function follow(): void {
  const data = document.body.dataset;
  const events = data["liveEvents"];
  if (!events) {
    countDown(() => undefined);
    return;
  }
  const rendered = { state: data["liveState"] ?? "", ends: Number(data["liveEnds"] ?? 0), tries: Number(data["liveTries"] ?? 0) };
  let pending = 0;
  const live = new Live(events, data["livePoll"] ?? "", (s) => {
    if (same(rendered, s)) {
      memory.remove(reloadKey);
      showScanned(s.scanned);
      showPhase(s.phase);
      return;
    }
    if (pending) return;
    const wait = formUnderway() ? 8000 : reloadDelay(s);
    pending = window.setTimeout(() => location.reload(), wait);
  });
  countDown(() => {
    // The server judges the time; ask until it has, then the state differs.
    live.check();
    setInterval(() => live.check(), 2000);
  });
}

function same(rendered: { state: string; ends: number; tries: number }, s: State): boolean {
  if (s.state !== rendered.state) return false;
  if (s.state === "sealing") return s.seal_tries === rendered.tries;
  return s.state !== "session" || !rendered.ends || s.session_ends_at === rendered.ends;
}

const reloadKey = `signet.reload:${location.pathname}`;

// A page that is rendered from a state which the stream contradicts would reload
// for ever: each further reload towards the same state waits longer.
function reloadDelay(s: State): number {
  const target = `${s.state}/${s.session_ends_at}/${s.seal_tries}`;
  const [seen, count] = (memory.get(reloadKey) ?? "").split(" ");
  const tries = seen === target ? Number(count) + 1 : 0;
  memory.set(reloadKey, `${target} ${tries}`);
  return tries === 0 ? 0 : Math.min(30_000, 500 * 2 ** tries);
}

function showScanned(scanned: boolean): void {
  const page = find("[data-code]");
  if (!page) return;
  for (const part of findAll("[data-when]", page)) {
    const hide = (part.dataset["when"] === "scanned") !== scanned;
    if (!hide && part.hidden && scanned) announce(text("code.scanned"));
    part.hidden = hide;
  }
}

/** Shows the step of the sealing that is done now; after the end of the last one the page stays as it is until it reloads. */
function showPhase(phase: string): void {
  const now = find(`[data-phase="${phase}"]`);
  if (!now) return;
  find("[data-sealing]")?.setAttribute("hidden", "");
  let state = "done";
  for (const step of findAll("[data-phase]")) {
    if (step === now) state = "now";
    step.hidden = false;
    step.className = state;
    if (step === now) state = "todo";
  }
}

async function showDocuments(): Promise<void> {
  const review = find("[data-review]");
  if (review) {
    const root = find("[data-viewer]", review);
    if (root) await startReview(review, () => showDocument(root));
    return;
  }
  const button = find("[data-show-document]");
  const box = find("#signed-document");
  const root = box && find("[data-viewer]", box);
  if (!button || !box || !root) return;
  const label = button.innerHTML;
  let viewer: Promise<Viewer> | null = null;
  button.setAttribute("aria-expanded", "false");
  const open = (yes: boolean): void => {
    box.hidden = !yes;
    button.setAttribute("aria-expanded", String(yes));
    if (!yes) {
      button.innerHTML = label;
      return;
    }
    button.textContent = text("hide");
    viewer ??= showDocument(root);
    viewer.catch(() => undefined);
    box.scrollIntoView({ block: "start" });
  };
  button.addEventListener("click", (e) => {
    e.preventDefault();
    open(box.hidden === true);
  });
  const places = find("[data-signed-places]");
  const list = places && find("[data-places]", places);
  if (!places || !list) return;
  const go = (page: number): void => {
    open(true);
    void viewer?.then((v) => v.goToPage(page)).catch(() => undefined);
  };
  whenIdle(() => {
    showPlaces(root, list, go).then(
      () => (places.hidden = false),
      () => undefined, // the page says the number of places
    );
  });
}

/** Fetches, while the person reads, what the next page needs. */
function warm(): void {
  const urls = find("[data-warm]")?.dataset["warm"]?.split(" ") ?? [];
  if (urls.length === 0) return;
  whenIdle(() => {
    for (const url of urls) void fetch(url, { priority: "low" }).catch(() => undefined);
  });
}

/** Runs what loads more than the page needs, after the page, unless the person saves data. */
function whenIdle(go: () => void): void {
  if (savesData()) return;
  if (document.readyState === "complete") setTimeout(go, 300);
  else addEventListener("load", () => setTimeout(go, 300));
}

/**
 * Sends a document to be checked without leaving the page, so that it can be shown with the marks of its signatures: the server
 * keeps nothing of it.
 */
function checkDocuments(): void {
  const form = find<HTMLFormElement>("[data-verify-form]");
  const input = form && find<HTMLInputElement>("input[type=file]", form);
  if (!form || !input) return;
  const hint = find("[data-verify-drop]", form);
  if (hint) hint.hidden = matchMedia("(pointer: coarse)").matches; // with fingers nothing is dragged
  form.addEventListener("submit", (e) => {
    const file = input.files?.[0];
    if (!file) return;
    e.preventDefault();
    void check(form, file);
  });
}

/** Takes a document that is dropped anywhere on the page for checking documents. Each check brings another form. */
function takeDrops(): void {
  if (!find("[data-verify-form]")) return;
  addEventListener("dragover", (e) => e.preventDefault());
  addEventListener("drop", (e) => {
    e.preventDefault();
    const input = find<HTMLInputElement>("[data-verify-form] input[type=file]");
    if (!input || !e.dataTransfer?.files.length) return;
    input.files = e.dataTransfer.files;
    input.form?.requestSubmit();
  });
}

async function check(form: HTMLFormElement, file: File): Promise<void> {
  const [answer, bytes] = await Promise.all([upload(form), file.arrayBuffer()]).catch(() => [null, null] as const);
  const page = answer?.page;
  const result = page && find("[data-verify]", page);
  const old = find("[data-verify]");
  if (!result || !old) {
    showLost(true);
    release(form);
    return;
  }
  showLost(false);
  old.replaceWith(result);
  checkDocuments();
  scrollTo({ top: 0 });
  announce(find("h1", result)?.textContent ?? "");
  const box = find("[data-verified]", result);
  const root = box && find("[data-viewer]", box);
  if (!box || !root || !bytes) return;
  box.hidden = false;
  const viewer = await showDocument(root, new Uint8Array(bytes));
  viewer.onPlace = (i) => {
    const places = JSON.parse(root.dataset["places"] ?? "[]") as { signature: number }[];
    document.getElementById(`signature-${places[i]?.signature}`)?.scrollIntoView({ block: "center" });
  };
}
