// The operators' console: brings the parts of a page that change up to date, until the operator says not to.

import { copyButtons } from "./lib/copy";
import { showDocument } from "./lib/document";
import { guardForms } from "./lib/forms";
import { announce, find, findAll, memory } from "./lib/page";
import { chooseZone, localTimes } from "./lib/times";

const every = 4000;
const remembered = "signet-console-still";

function follow(): void {
  const frame = find("[data-follow-switch]");
  const choice = frame && find<HTMLInputElement>("input", frame);
  if (!frame || !choice) return;
  frame.hidden = false;
  choice.checked = memory.get(remembered) === null;
  const events = frame.dataset["events"];
  const stream = events ? new Stream(events, () => void refresh(choice)) : null;
  const connect = (): void => stream?.want(choice.checked && document.visibilityState === "visible");
  choice.addEventListener("change", () => {
    if (choice.checked) memory.remove(remembered);
    else memory.set(remembered, "1");
    connect();
  });
  document.addEventListener("visibilitychange", connect);
  addEventListener("pagehide", () => stream?.want(false));
  addEventListener("pageshow", connect);
  connect();
  // Pages without a stream ask now and then, and so do those whose stream is down.
  const again = (): void =>
    void setTimeout(() => {
      if (stream?.open) again();
      else void refresh(choice).finally(again);
    }, every);
  again();
}

/** Server-sent events that say: look again. */
class Stream {
  private source: EventSource | null = null;

  constructor(
    private readonly url: string,
    private readonly onChange: () => void,
  ) {}

  get open(): boolean {
    return this.source?.readyState === EventSource.OPEN;
  }

  want(wanted: boolean): void {
    // A source that is closed will not come back by itself.
    if (this.source && (!wanted || this.source.readyState === EventSource.CLOSED)) {
      this.source.close();
      this.source = null;
    }
    if (!wanted || this.source) return;
    this.source = new EventSource(this.url);
    this.source.addEventListener("state", this.onChange);
  }
}

let busy = false;
let more = false;

async function refresh(choice: HTMLInputElement): Promise<void> {
  more = true;
  if (busy) return;
  busy = true;
  while (more) {
    more = false;
    await tick(choice);
  }
  busy = false;
}

async function tick(choice: HTMLInputElement): Promise<void> {
  if (!choice.checked || document.visibilityState === "hidden") return;
  try {
    const answer = await fetch(location.href, { cache: "no-store" });
    if (!answer.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    localTimes(fresh);
    const before = state(document);
    // What appears for the first time, such as the signed document, goes where it stands on the fresh page.
    for (const part of findAll("section[id]", fresh)) {
      const above = part.previousElementSibling?.id;
      if (above && !document.getElementById(part.id)) document.getElementById(above)?.after(part.cloneNode(true));
    }
    for (const part of findAll("[data-follow]")) {
      const next = fresh.getElementById(part.id);
      if (!next) continue;
      // What the operator has opened stays open.
      for (const opened of findAll<HTMLDetailsElement>("details[id][open]", part)) {
        const same = fresh.getElementById(opened.id);
        if (same instanceof HTMLDetailsElement) same.open = true;
      }
      // Nothing moves under the operator's hands.
      if (next.innerHTML === part.innerHTML || part.contains(document.activeElement)) continue;
      part.replaceChildren(...next.childNodes);
    }
    const now = state(document);
    if (now !== before) announce(now);
  } catch {
    // The next tick asks again.
  }
}

/** The request's state in words, or nothing on other pages. */
function state(page: Document): string {
  return page.querySelector("[data-follow-state]")?.textContent?.trim() ?? "";
}

/** Shows the document when the operator asks for it, because each look is recorded. It is fetched once and whole. */
function showOnRequest(): void {
  const button = find<HTMLButtonElement>("[data-show-document]");
  const box = find("#shown-document");
  const failed = find("#document-failed");
  const root = box && find("[data-viewer]", box);
  if (!button || !box || !root) return;
  button.hidden = false;
  button.addEventListener("click", () => {
    button.disabled = true;
    box.hidden = false;
    if (failed) failed.hidden = true;
    void (async () => {
      const answer = await fetch(root.dataset["documentUrl"] ?? "", { cache: "no-store" });
      if (!answer.ok) throw new Error(`status ${answer.status}`);
      await showDocument(root, new Uint8Array(await answer.arrayBuffer()));
      button.hidden = true;
    })().catch(() => {
      box.hidden = true;
      button.disabled = false;
      if (failed) failed.hidden = false;
    });
  });
}

find(".console-nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
guardForms();
showOnRequest();
copyButtons();
chooseZone();
follow();
