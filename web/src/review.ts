// The panel of signature places: "Proceed to Sign" opens when each place has been
// looked at on the page.

import { announce, find, findAll, memory, text } from "./lib/page";
import type { Viewer } from "./viewer";

export async function startReview(root: HTMLElement, load: () => Promise<Viewer>): Promise<void> {
  const items = findAll<HTMLButtonElement>("[data-place]", root);
  const next = find<HTMLButtonElement>("[data-next-place]", root);
  const proceed = find<HTMLButtonElement>("[data-proceed] button", root);
  const hint = find("[data-proceed-hint]", root);
  const counter = find("[data-review-count]", root);
  const bar = find<HTMLProgressElement>("progress", root);
  const key = `signet.reviewed:${root.dataset["review"] ?? ""}:${items.length}`;
  const reviewed = new Set<number>();
  for (const part of (memory.get(key) ?? "").split(",")) {
    const i = Number(part);
    if (part !== "" && i >= 0 && i < items.length) reviewed.add(i);
  }
  let viewer: Viewer | null = null;

  const show = (): void => {
    items.forEach((item, i) => {
      const done = reviewed.has(i);
      item.classList.toggle("done", done);
      const state = find("[data-place-state]", item);
      if (state) state.textContent = done ? text("panel.done") : text("panel.todo");
    });
    if (counter) counter.textContent = text("panel.count", reviewed.size, items.length);
    if (bar) bar.value = reviewed.size;
    const complete = reviewed.size === items.length;
    if (next) next.hidden = complete;
    if (proceed) proceed.disabled = !complete;
    if (hint) hint.textContent = complete ? text("panel.ready") : hint.dataset["todo"] ?? hint.textContent;
    root.classList.toggle("complete", complete);
    viewer?.mark(reviewed);
  };

  const review = (i: number): void => {
    if (reviewed.has(i)) return;
    reviewed.add(i);
    memory.set(key, [...reviewed].join(","));
    show();
    if (reviewed.size === items.length) announce(text("panel.ready"));
  };

  let early = -1; // a place that was asked for while the document was loading
  const visit = async (i: number): Promise<void> => {
    if (!viewer) {
      early = i;
      return;
    }
    for (const item of items) item.removeAttribute("aria-current");
    items[i]?.setAttribute("aria-current", "true");
    items[i]?.scrollIntoView({ block: "nearest", inline: "nearest" });
    // Reviewed means seen: only once the page has been drawn.
    if (await viewer.goTo(i)) review(i);
  };

  if (hint) hint.dataset["todo"] = hint.textContent ?? "";
  show();
  items.forEach((item, i) => item.addEventListener("click", () => void visit(i)));
  try {
    viewer = await load();
  } catch {
    fallback(root, proceed, next);
    return;
  }
  viewer.onPlace = (i) => void visit(i);
  viewer.mark(reviewed);
  if (next) {
    next.disabled = false;
    next.addEventListener("click", () => {
      const i = items.findIndex((_, n) => !reviewed.has(n));
      if (i >= 0) void visit(i);
    });
  }
  if (early >= 0) void visit(early);
}

// A document that this browser cannot draw must not strand the signer: read it
// in another window, say so, go on.
function fallback(root: HTMLElement, proceed: HTMLButtonElement | null, next: HTMLButtonElement | null): void {
  const box = find("[data-read-fallback]", root);
  const check = find<HTMLInputElement>("[data-read-document]", root);
  if (!box || !check || !proceed) return;
  if (next) next.hidden = true;
  box.hidden = false;
  check.addEventListener("change", () => {
    proceed.disabled = !check.checked;
  });
}
