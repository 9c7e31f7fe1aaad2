// What helps to find one's way in a long document: a page by its number, thumbnails, the outline, and search.

import type { PDFDocumentProxy } from "pdfjs-dist";
import { find, findAll, text } from "./lib/page";
import type { Match, Report, Search } from "./search";
import { addThumbnails, type Listed } from "./thumbnails";

/** The viewer, as the tools move it and follow it. */
export interface Pages extends Listed {
  onPage: (number: number) => void;
  onGo: () => void;
  onMark: () => void;
  goToPage(number: number, height?: number): Promise<void>;
  showMatches(number: number, matches: Match[], current: number): Promise<void>;
}

export function addTools(root: HTMLElement, viewer: Pages, pdf: PDFDocumentProxy): void {
  const number = find<HTMLInputElement>("[data-viewer-page]", root);
  const total = find("[data-viewer-total]", root);
  if (number) {
    number.max = String(pdf.numPages);
    number.addEventListener("change", () => {
      const n = Math.min(pdf.numPages, Math.max(1, Math.round(Number(number.value)) || 1));
      number.value = String(n);
      void viewer.goToPage(n);
    });
  }
  if (total) total.textContent = text("page.total", pdf.numPages);
  const side = addSide(root, viewer, pdf);
  let current = 1;
  viewer.onPage = (n) => {
    current = n;
    if (number && number !== document.activeElement) number.value = String(n);
    side(n);
  };
  addSearch(root, viewer, pdf, () => current);
}

/** The thumbnails and the outline, made when they are opened first. The function that it returns marks the current page. */
function addSide(root: HTMLElement, viewer: Pages, pdf: PDFDocumentProxy): (page: number) => void {
  const button = find("[data-viewer-side-button]", root);
  const side = find("[data-viewer-side]", root);
  const list = side && find("[data-viewer-thumbnails]", side);
  if (!button || !side || !list) return () => undefined;
  let current = 1;
  const mark = (page: number): void => {
    current = page;
    for (const item of findAll("[aria-current]", list)) {
      item.removeAttribute("aria-current");
      item.tabIndex = -1;
    }
    const item = find(`[data-thumbnail="${page}"]`, list);
    item?.setAttribute("aria-current", "page");
    if (item) item.tabIndex = 0;
    if (!side.hidden && item) list.scrollTop = item.offsetTop - (list.clientHeight - item.offsetHeight) / 2;
  };
  // On a phone it lies over the pages, which cannot be reached then.
  const narrow = matchMedia("(max-width: 39.99rem)");
  const cover = (): void => {
    const pages = find("[data-viewer-pages]", root);
    if (pages) pages.inert = narrow.matches && !side.hidden;
  };
  narrow.addEventListener("change", cover);
  const open = (yes: boolean): void => {
    side.hidden = !yes;
    button.setAttribute("aria-expanded", String(yes));
    cover();
    if (!yes) return;
    if (list.childElementCount === 0) {
      viewer.onMark = addThumbnails(list, viewer, pdf, go);
      void addOutline(side, pdf, go).catch(() => undefined); // a document without an outline that can be read has none
    }
    mark(current);
  };
  const go = (page: number, height?: number): void => {
    if (narrow.matches) {
      open(false);
      button.focus();
    }
    void viewer.goToPage(page, height);
  };
  button.addEventListener("click", () => open(side.hidden === true));
  viewer.onGo = () => {
    if (narrow.matches && !side.hidden) open(false);
  };
  side.addEventListener("keydown", (e) => {
    if (e.key !== "Escape") return;
    open(false);
    button.focus();
  });
  return mark;
}

type Go = (page: number, height?: number) => void;

type Outline = Awaited<ReturnType<PDFDocumentProxy["getOutline"]>>;

async function addOutline(side: HTMLElement, pdf: PDFDocumentProxy, go: Go): Promise<void> {
  const box = find("[data-viewer-outline]", side);
  const all = await pdf.getOutline();
  if (!box || !all?.length) return;
  const make = (entries: Outline): HTMLUListElement => {
    const list = document.createElement("ul");
    for (const entry of entries) {
      const item = document.createElement("li");
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = entry.title;
      button.addEventListener("click", () => void follow(pdf, entry.dest, go));
      item.append(button);
      if (entry.items.length > 0) item.append(make(entry.items as Outline));
      list.append(item);
    }
    return list;
  };
  box.append(make(all));
  box.hidden = false;
}

/** Goes to a destination (ISO 32000-2, 12.3.2), to its height on the page if it names one. */
async function follow(pdf: PDFDocumentProxy, dest: string | unknown[] | null, go: Go): Promise<void> {
  const explicit = typeof dest === "string" ? await pdf.getDestination(dest) : dest;
  if (!explicit) return;
  const [target, kind, x, y] = explicit as [unknown, { name: string } | undefined, number | null, number | null];
  const index = typeof target === "number" ? target : await pdf.getPageIndex(target as Parameters<PDFDocumentProxy["getPageIndex"]>[0]);
  const viewport = (await pdf.getPage(index + 1)).getViewport({ scale: 1 });
  const height = kind?.name === "XYZ" && typeof y === "number" ? viewport.convertToViewportPoint(x ?? 0, y)[1] / viewport.height : 0;
  go(index + 1, Math.min(1, Math.max(0, height)));
}

function addSearch(root: HTMLElement, viewer: Pages, pdf: PDFDocumentProxy, page: () => number): void {
  const button = find("[data-viewer-search-button]", root);
  const form = find<HTMLFormElement>("[data-viewer-search]", root);
  const input = form && find<HTMLInputElement>("input", form);
  const count = form && find("[data-viewer-found]", form);
  if (!button || !form || !input || !count) return;
  let search: Promise<Search> | null = null;
  const report = ({ current, total, busy, empty }: Report): void => {
    if (input.value === "") count.textContent = "";
    else if (total > 0) count.textContent = text("search.count", current, total);
    else count.textContent = text(busy ? "search.busy" : empty ? "search.empty" : "search.none");
  };
  const load = async (): Promise<Search> => {
    const { Search } = (await import(root.dataset["searchUrl"] ?? "")) as typeof import("./search");
    return new Search(pdf, page, (n, matches, current) => void viewer.showMatches(n, matches, current), report);
  };
  const run = async (previous = false): Promise<void> => {
    if (input.value === "") {
      count.textContent = "";
      if (search) (await search).close();
      return;
    }
    search ??= load();
    (await search).find(input.value, previous);
  };
  const open = (yes: boolean): void => {
    form.hidden = !yes;
    button.setAttribute("aria-expanded", String(yes));
    if (yes) return input.focus();
    input.value = "";
    void run();
    button.focus();
  };
  button.addEventListener("click", () => open(form.hidden === true));
  form.addEventListener("submit", (e) => {
    e.preventDefault();
    void run();
  });
  let typing = 0;
  input.addEventListener("input", () => {
    clearTimeout(typing);
    typing = window.setTimeout(() => void run(), 200);
  });
  find("[data-viewer-found-previous]", form)?.addEventListener("click", () => void run(true));
  find("[data-viewer-search-close]", form)?.addEventListener("click", () => open(false));
  root.addEventListener("keydown", (e) => {
    if (e.key === "Escape" && !form.hidden) open(false);
    else if (e.key === "f" && (e.ctrlKey || e.metaKey)) {
      // The browser finds the pages that have been drawn only.
      e.preventDefault();
      open(true);
    }
  });
}
