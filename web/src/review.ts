// The panel of signature places: "Proceed to Sign" opens when each place has been
// looked at on the page, and each page if the relying party requires it.

import { announce, find, findAll, memory, text } from "./lib/page";
import type { Viewer } from "./viewer";

export async function startReview(root: HTMLElement, load: () => Promise<Viewer>): Promise<void> {
  const items = findAll<HTMLButtonElement>("[data-place]", root);
  const next = find<HTMLButtonElement>("[data-next-place]", root);
  const previous = find<HTMLButtonElement>("[data-previous-place]", root);
  const proceed = find<HTMLButtonElement>("[data-proceed] button", root);
  const hint = find("[data-proceed-hint]", root);
  const counter = find("[data-review-count]", root);
  const bar = find<HTMLProgressElement>("progress", root);
  const fallback = find("[data-read-fallback]", root);
  const elsewhere = find<HTMLInputElement>("[data-read-document]", root);
  const key = `signet.reviewed:${root.dataset["review"] ?? ""}:${items.length}`;
  const todo = hint?.textContent ?? "";
  const all = root.dataset["allPages"] !== undefined;
  const pagesCount = find("[data-pages-count]", root);
  const declared = find<HTMLInputElement>("[data-proceed] input[name=seen]", root);
  const nextLabel = next?.textContent ?? "";
  let pages = 0; // of the document, once it is open
  const seen = remembered(`${key}:pages`);
  const blank = new Set<number>(); // pages that this browser cannot draw
  const reviewed = remembered(key);
  const undrawn = new Set<number>(); // places whose page this browser cannot draw
  let viewer: Viewer | null = null;
  let failed = false;

  const nextPlace = (): number => (failed ? -1 : items.findIndex((_, i) => !reviewed.has(i) && !undrawn.has(i)));

  const nextPage = (): number => {
    for (let n = 1; !failed && n <= pages; n++) if (!seen.has(n) && !blank.has(n)) return n;
    return 0;
  };

  const show = (): void => {
    items.forEach((item, i) => {
      const done = reviewed.has(i);
      item.classList.toggle("done", done);
      const state = find("[data-place-state]", item);
      if (state) state.textContent = done ? text("panel.done") : text("panel.todo");
    });
    if (counter) counter.textContent = text("panel.count", reviewed.size, items.length);
    if (bar) bar.value = reviewed.size;
    // A document that this browser cannot draw must not strand the signer: read it in another window, say so, go on.
    if (fallback) fallback.hidden = !failed && undrawn.size + blank.size === 0;
    if (pagesCount && pages > 0) pagesCount.textContent = text("panel.pages", seen.size, pages);
    const read = !all || (pages > 0 && seen.size === pages);
    const complete = (reviewed.size === items.length && read) || elsewhere?.checked === true;
    if (declared) declared.value = read ? "viewer" : "elsewhere";
    const onNext = next !== null && next === document.activeElement;
    if (next) {
      next.hidden = complete || (nextPlace() < 0 && nextPage() === 0);
      next.textContent = nextPlace() < 0 && nextPage() > 0 ? text("panel.unseen") : nextLabel;
    }
    if (proceed) proceed.disabled = !complete;
    if (hint) hint.textContent = complete ? text("panel.ready") : todo;
    root.classList.toggle("complete", complete);
    viewer?.mark(reviewed, all ? seen : null);
    // The focus goes to what took the place of the button that is gone.
    if (onNext && next.hidden) (complete ? proceed : elsewhere)?.focus();
  };

  const review = (i: number): void => {
    if (reviewed.has(i)) return;
    reviewed.add(i);
    undrawn.delete(i);
    memory.set(key, [...reviewed].join(","));
    show();
    const seen = text("place.reviewed", i + 1, items[i]?.dataset["page"] ?? "");
    const rest = proceed?.disabled === false ? text("panel.ready") : text("panel.count", reviewed.size, items.length);
    announce(text("panel.progress", seen, rest));
  };

  let current = -1; // the place that was visited last
  let early = -1; // a place that was asked for while the document was loading
  const visit = async (i: number): Promise<void> => {
    if (!viewer) {
      early = i;
      return;
    }
    current = i;
    if (previous) previous.disabled = i <= 0;
    for (const item of items) item.removeAttribute("aria-current");
    items[i]?.setAttribute("aria-current", "true");
    items[i]?.scrollIntoView({ block: "nearest", inline: "nearest" });
    // Reviewed means seen: only once the page has been drawn, and the place lies whole in the window.
    const visit = await viewer.goTo(i);
    if (visit === "seen") review(i);
    if (visit !== "failed") return;
    undrawn.add(i);
    show();
    announce(text("page.failed", items[i]?.dataset["page"] ?? ""));
  };

  // When the list gets another shape it begins with the place that was visited last.
  const list = find(".panel-list", root);
  const follow = new ResizeObserver(() => {
    const item = items[current]?.parentElement;
    if (list && item) list.scrollTo(item.offsetLeft - list.offsetLeft, item.offsetTop - list.offsetTop);
  });
  if (list) follow.observe(list);

  show();
  items.forEach((item, i) => item.addEventListener("click", () => void visit(i)));
  elsewhere?.addEventListener("change", show);
  try {
    viewer = await load();
  } catch {
    failed = true;
    show();
    return;
  }
  viewer.onPlace = (i) => void visit(i);
  const opened = viewer;
  const overText = new Set<number>();
  const describe = (item: HTMLElement, i: number): void => {
    const where = opened.where(i);
    if (!where) return;
    const words = text(where.key, item.dataset["page"] ?? "");
    const covered = overText.has(i);
    item.classList.toggle("covers", covered);
    const page = find(".place-page", item);
    if (page) page.textContent = covered ? text("panel.covers", words) : words;
    find(".place-picture", item)?.replaceChildren(where.picture);
  };
  items.forEach(describe);
  const pictures = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      pictures.unobserve(target);
      opened.sketch(items.findIndex((item) => item === target));
    }
  });
  for (const item of items) pictures.observe(item);
  viewer.onDrawn = (page) => {
    items.forEach((item, i) => {
      if (item.dataset["page"] === String(page) && !find(".place-picture canvas", item)) describe(item, i);
    });
  };
  void viewer.findCovered((i) => {
    overText.add(i);
    if (items[i]) describe(items[i], i);
  });
  viewer.mark(reviewed, all ? seen : null);
  if (all) {
    pages = viewer.watchPages((page, drawn) => {
      (drawn ? seen : blank).add(page);
      memory.set(`${key}:pages`, [...seen].join(","));
      show();
      announce(text("panel.pages", seen.size, pages));
    });
    show();
  }
  if (next) {
    next.disabled = false;
    next.addEventListener("click", () => {
      const i = nextPlace();
      if (i >= 0) void visit(i);
      else if (nextPage() > 0) void viewer?.goToPage(nextPage());
    });
  }
  previous?.addEventListener("click", () => {
    if (current > 0) void visit(current - 1);
  });
  // The viewer's own keys are on its pages; these two belong to the places.
  find("[data-viewer-pages]", root)?.addEventListener("keydown", (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey || (e.key !== "n" && e.key !== "p")) return;
    const i = e.key === "n" ? current + 1 : current - 1;
    if (i >= 0 && i < items.length) void visit(i);
  });
  if (early >= 0) void visit(early);
}

/** The numbers that an earlier page of this document kept. */
function remembered(key: string): Set<number> {
  return new Set((memory.get(key) ?? "").split(",").filter(Boolean).map(Number));
}
