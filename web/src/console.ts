// The operators' console: brings the parts of a page that change up to date, until the operator says not to.

import { guardForms } from "./lib/forms";
import { announce, find, findAll, memory } from "./lib/page";

const every = 4000;
const remembered = "signet-console-still";

guardForms();
follow();

function follow(): void {
  const frame = find("[data-follow-switch]");
  const choice = frame && find<HTMLInputElement>("input", frame);
  if (!frame || !choice) return;
  frame.hidden = false;
  choice.checked = memory.get(remembered) === null;
  choice.addEventListener("change", () => {
    if (choice.checked) memory.remove(remembered);
    else memory.set(remembered, "1");
  });
  const again = (): void => void setTimeout(() => void tick(choice).finally(again), every);
  again();
}

async function tick(choice: HTMLInputElement): Promise<void> {
  if (!choice.checked || document.visibilityState === "hidden") return;
  try {
    const answer = await fetch(location.href, { cache: "no-store" });
    if (!answer.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
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
