// The PDF viewer: every page, drawn when it comes near, with selectable text and
// the signature places on top. pdf.js does the reading and the drawing.

import * as pdfjs from "pdfjs-dist/legacy/build/pdf.mjs";
import type { PDFDocumentProxy, PDFPageProxy } from "pdfjs-dist";
import { appearance, boxHeight, boxWidth } from "./lib/appearance";
import { find, findAll, savesData, text } from "./lib/page";
import { onPinch } from "./lib/pinch";
import { covers, lines, rectangles } from "./lib/textlayer";
import type { Match } from "./search";
import { discard, displayed, Sheet, type Part, type Place } from "./sheet";
import { drawSmall, drawThumbnail, makePicture, makeThumbnail, pictureSize, position, type Size } from "./thumbnails";
import { addTools, type Pages } from "./tools";

// Phones refuse large canvases in silence, and all canvases together may take some 200 MB of an old one: at 4 bytes a pixel this
// stays far below, with room for what is being drawn.
const maxPixels = 5_000_000; // of one canvas
const keptPixels = 16_000_000; // of all that are kept
const lastTry = 1_000_000; // of a canvas, when the memory did not suffice for a sharp one
const zooms = [0.5, 0.75, 1, 1.25, 1.5, 2, 3, 4]; // times "fit to width"
const readable = 0.8; // CSS pixels a point: text of 10 pt is 8 px high
const wholePart = 0.98; // of a place: fractions of pixels at the edge of the window do not count

/** A place was seen, its page cannot be drawn, or the viewer went to another place before it was seen. */
export type Visit = "seen" | "failed" | "left";

export class Viewer implements Pages {
  /** Called when a place on the page is clicked. */
  onPlace: (index: number) => void = () => undefined;
  /** Called when a page has been drawn. */
  onDrawn: (page: number) => void = () => undefined;
  /** Called when the number of another page is shown. */
  onPage: (number: number) => void = () => undefined;
  /** Called before the viewer goes to a page, a place or a match: nothing may lie over the pages. */
  onGo: () => void = () => undefined;

  readonly places: Place[];
  /** What mark was told last, and onMark is called for. */
  reviewed: ReadonlySet<number> = new Set();
  seen: ReadonlySet<number> | null = null;
  onMark: () => void = () => undefined;

  private readonly pages: HTMLElement;
  private loading: pdfjs.PDFDocumentLoadingTask | null = null;
  private sheets: Sheet[] = [];
  private pdf: PDFDocumentProxy | null = null;
  private zoom = 1;
  private width = 0; // of the window that the pages are fitted to
  private fit = 0; // what fitted returned for that window
  private resizing = 0; // the timer of a new width, or 0
  private applied: () => void = () => undefined; // called when the new width is applied
  private chosen = false; // by the person, and not by goTo
  private current = 0;
  private near = new Set<Sheet>(); // in view
  private idle = 0; // the timer of a page to draw ahead, or 0
  private ahead: Sheet | null = null; // drawn ahead now
  private working = 0; // what has to end before the viewer is ready
  private observer: IntersectionObserver | null = null;
  private sketches = Promise.resolve();
  private visits = 0; // of places
  private leave: () => void = () => undefined; // ends the visit of a place that has not been seen yet

  constructor(
    private readonly root: HTMLElement,
    private readonly worker: Worker,
    private readonly bytes?: Uint8Array,
  ) {
    const pages = find("[data-viewer-pages]", root);
    if (!pages) throw new Error("viewer: no pages element");
    this.pages = pages;
    const places = root.dataset["places"];
    this.places = places ? (JSON.parse(places) as Place[]) : [];
  }

  /** Reads the document that root names, or the bytes, which stay the caller's. */
  private load(): Promise<PDFDocumentProxy> {
    if (this.loading) return this.loading.promise;
    const data = this.root.dataset;
    const absolute = (path: string | undefined): string => new URL(path ?? "", location.href).href;
    pdfjs.GlobalWorkerOptions.workerPort = this.worker;
    this.loading = pdfjs.getDocument({
      ...(this.bytes ? { data: this.bytes.slice() } : { url: absolute(data["documentUrl"]) }),
      cMapUrl: absolute(data["cmapsUrl"]),
      cMapPacked: true,
      standardFontDataUrl: absolute(data["fontsUrl"]),
      useSystemFonts: false, // a substitute of the system has other widths than the document reckons with
      wasmUrl: absolute(data["wasmUrl"]),
      useWasm: false, // the page's policy allows no WebAssembly
      enableXfa: false,
      verbosity: 0,
    });
    const wait = find("[data-viewer-part]", this.root);
    this.loading.onProgress = ({ loaded, total }: { loaded: number; total: number }) => {
      if (wait && total > 0) wait.textContent = `${Math.min(100, Math.floor((loaded / total) * 100))}%`;
    };
    return this.loading.promise;
  }

  /**
   * Takes the mark data-viewer-ready from the viewer until the work ends. With the mark, what is in view is drawn or cannot be
   * drawn, all places are where they stay, and what the page asked of them is known.
   */
  async during<T>(work: Promise<T>): Promise<T> {
    this.working++;
    delete this.root.dataset["viewerReady"];
    try {
      return await work;
    } finally {
      if (--this.working === 0) this.root.dataset["viewerReady"] = "";
    }
  }

  async open(): Promise<void> {
    this.root.setAttribute("aria-busy", "true");
    try {
      await this.during(this.read());
    } finally {
      this.root.removeAttribute("aria-busy");
    }
  }

  private async read(): Promise<void> {
    this.pdf = await this.load();
    const first = await this.pdf.getPage(1);
    const size = displayed(first);
    for (let n = 1; n <= this.pdf.numPages; n++) this.sheets.push(new Sheet(n, size.width, size.height));
    find("[data-viewer-wait]", this.root)?.remove();
    this.pages.append(...this.sheets.map((s) => s.element));
    this.layout();
    if (this.sheets[0]) void this.draw(this.sheets[0]); // the observer would begin a frame later
    this.tools();
    void this.during(this.observe());
    // A browser may empty the canvases of a page that it kept in the background.
    const again = (): void => {
      if (document.visibilityState === "visible") this.restore();
    };
    document.addEventListener("visibilitychange", again);
    addEventListener("pageshow", again);
    // Pages differ in size: learn the sizes of those with places, so that a jump
    // lands where it should, and of all in a document of usual length.
    const wanted = this.pdf.numPages <= 40 ? this.sheets.map((s) => s.number) : this.places.map((p) => p.page);
    for (const n of new Set(wanted)) {
      const sheet = this.sheets[n - 1];
      if (sheet) await this.measure(sheet);
    }
  }

  /** Reads the text of the pages with places, after what is in view, and calls found with each place that lies over it. */
  findCovered(found: (index: number) => void): Promise<void> {
    const read = async (number: number): Promise<void> => {
      const sheet = this.sheets[number - 1];
      if (!sheet) return;
      await Promise.all([...this.near].map((s) => s.drawing));
      await this.measure(sheet);
      if (!sheet.page) return;
      const all = lines(await sheet.page.getTextContent(), sheet.page.getViewport({ scale: 1 / sheet.page.userUnit }));
      this.places.forEach((place, i) => {
        if (place.page === number && covers(rectangleOf(place, sheet), all)) found(i);
      });
    };
    const all = async (): Promise<void> => {
      // A page whose text cannot be read is still shown.
      for (const number of new Set(this.places.map((p) => p.page))) await read(number).catch(() => undefined);
    };
    return this.during(all());
  }

  /** Scrolls to a place and resolves to what has become of the visit. */
  async goTo(index: number): Promise<Visit> {
    const place = this.places[index];
    const sheet = place && this.sheets[place.page - 1];
    if (!sheet) return "failed";
    this.leave();
    const visit = ++this.visits;
    await this.measure(sheet);
    const box = sheet.boxes.get(index);
    const target = box && !sheet.element.classList.contains("failed") ? box : sheet.element;
    this.scrollTo(sheet, target);
    for (const b of findAll(".place-box.current", this.pages)) b.classList.remove("current");
    box?.classList.add("current");
    if (!(await this.drawn(sheet)) || !box) return "failed";
    return visit === this.visits ? this.see(sheet, box) : "left";
  }

  /** Resolves to "seen" when a place lies whole in the browser's window, as large as it can be read, and to "left" at the next visit. */
  private see(sheet: Sheet, box: HTMLElement): Promise<Visit> {
    return new Promise((resolve) => {
      const observer = new IntersectionObserver(
        (entries) => {
          const whole = (entries[entries.length - 1]?.intersectionRatio ?? 0) >= wholePart;
          const least = Math.min(readable, this.scale(sheet) * this.room(box)) - 0.001;
          if (!whole || this.scale(sheet) < least || sheet.drawnAt === 0) return;
          observer.disconnect();
          resolve("seen");
        },
        { threshold: wholePart },
      );
      observer.observe(box);
      this.leave = () => {
        observer.disconnect();
        resolve("left"); // which changes nothing once it was seen
      };
    });
  }

  /** Scrolls to a page, or to a height of it, from 0 at its top to 1. */
  async goToPage(number: number, height = 0): Promise<void> {
    const sheet = this.sheets[number - 1];
    if (!sheet) return;
    this.onGo();
    // A new width that is not applied yet, as when the list of pages has just opened, would move the page afterwards.
    if (this.resizing || this.pages.clientWidth !== this.width) this.resized();
    await this.measure(sheet);
    this.pages.scrollTop = offsetTop(sheet.element, this.pages) + height * sheet.element.offsetHeight - 8;
    if (this.pages.scrollHeight <= this.pages.clientHeight) sheet.element.scrollIntoView({ block: "nearest" });
    await this.drawn(sheet);
  }

  /** Marks what was found on a page, and scrolls to one of the matches unless current is -1. */
  async showMatches(number: number, matches: Match[], current: number): Promise<void> {
    const sheet = this.sheets[number - 1];
    if (!sheet) return;
    if (current >= 0) await this.drawn(sheet);
    const text = await sheet.text;
    for (const mark of findAll(".found", sheet.element)) mark.remove();
    if (!text) return current < 0 ? undefined : this.goToPage(number);
    const page = sheet.element.getBoundingClientRect();
    matches.forEach((match, i) => {
      for (const r of rectangles(text, match)) {
        const mark = document.createElement("div");
        mark.className = i === current ? "found current" : "found";
        mark.style.setProperty("left", `${((r.left - page.left) / page.width) * 100}%`);
        mark.style.setProperty("top", `${((r.top - page.top) / page.height) * 100}%`);
        mark.style.setProperty("width", `${(r.width / page.width) * 100}%`);
        mark.style.setProperty("height", `${(r.height / page.height) * 100}%`);
        sheet.element.append(mark);
      }
    });
    const target = find(".found.current", sheet.element);
    if (target) this.scrollTo(sheet, target);
  }

  /** Resolves to true when a page has been drawn, or to false when it cannot be. */
  private async drawn(sheet: Sheet): Promise<boolean> {
    this.near.add(sheet); // the observer is slower than a drawn page can be forgotten
    await this.draw(sheet);
    return sheet.drawnAt > 0;
  }

  /**
   * Scrolls to a place or a match, which gets the middle of the window, and zooms to it where it could not be read. A zoom that the
   * person has chosen is reduced to the largest at which a place lies whole in the window.
   */
  private scrollTo(sheet: Sheet, target: HTMLElement): void {
    this.onGo();
    let wanted = this.chosen && this.scale(sheet) >= readable ? this.zoom : this.readableZoom(sheet);
    if (target.matches(".place-box")) wanted = Math.min(wanted, this.zoom * this.room(target));
    const zoom = Math.abs(wanted - this.zoom) > 0.01;
    if (zoom) this.zoomTo(wanted);
    const still = zoom || matchMedia("(prefers-reduced-motion: reduce)").matches || Math.abs(sheet.number - this.current) > 2;
    const top = offsetTop(target, this.pages) - (this.pages.clientHeight - target.offsetHeight) / 2;
    const left = offsetLeft(target, this.pages) - Math.max(8, (this.pages.clientWidth - target.offsetWidth) / 2);
    this.pages.scrollTo({ top, left, behavior: still ? "auto" : "smooth" });
    if (this.pages.scrollHeight <= this.pages.clientHeight) target.scrollIntoView({ block: "nearest" });
    // Of a low window of the browser the pages' window may be a part.
    const most = Math.max(0, this.pages.scrollHeight - this.pages.clientHeight);
    const y = this.pages.getBoundingClientRect().top + offsetTop(target, this.pages) - Math.min(most, Math.max(0, top));
    if (y < 0 || y + target.offsetHeight > innerHeight) scrollBy(0, y - (innerHeight - target.offsetHeight) / 2);
    if (zoom) this.redraw();
  }

  /** By how much a place can be enlarged and still lie whole in the window. */
  private room(box: HTMLElement): number {
    return Math.min((this.pages.clientWidth - 16) / box.offsetWidth, (this.pages.clientHeight - 16) / box.offsetHeight);
  }

  /**
   * The zoom at which a place of a page can be read. The page fits the window if it can be read so; otherwise the place gets nearly
   * the whole width of a phone, and in a wider window text of 10 pt is 10 px high.
   */
  private readableZoom(sheet: Sheet): number {
    const room = this.pages.clientWidth / boxWidth;
    const fit = this.fitted() / sheet.width;
    if (fit >= readable && fit <= room) return 1;
    return (room < 2 ? Math.min(1.5, 0.92 * room) : 1) / fit;
  }

  /** The largest zoom: the last step, or on a large page, as plans have, what its places are read at and half as much again. */
  private largestZoom(): number {
    const widest = this.sheets.reduce<Sheet | undefined>((a, b) => (a && a.width >= b.width ? a : b), undefined);
    return Math.max(zooms[zooms.length - 1] ?? 1, widest ? 1.5 * this.readableZoom(widest) : 1);
  }

  /**
   * Calls seen once for each page that was in view, half of it or half a window, and has been drawn, or cannot be. Returns the
   * number of pages.
   */
  watchPages(seen: (page: number, drawn: boolean) => void): number {
    const observer = new IntersectionObserver(
      (entries) => {
        for (const { target, intersectionRatio, intersectionRect, rootBounds } of entries) {
          if (intersectionRatio < 0.5 && intersectionRect.height < (rootBounds?.height ?? 0) / 2) continue;
          const sheet = this.sheets[Number((target as HTMLElement).dataset["sheet"]) - 1];
          if (!sheet) continue;
          observer.unobserve(target);
          void this.drawn(sheet).then((drawn) => seen(sheet.number, drawn));
        }
      },
      { root: this.pages, threshold: [0.01, 0.1, 0.2, 0.3, 0.4, 0.5] },
    );
    for (const sheet of this.sheets) observer.observe(sheet.element);
    return this.sheets.length;
  }

  /** The size of a page as displayed, in points: of one that has not been read the first page's. */
  sizeOf(number: number): Size | undefined {
    return this.sheets[number - 1];
  }

  /** Draws the pages of a document that is not open, those with these places. A click goes to the page. */
  async drawPlaces(list: HTMLElement, places: Place[], go: (page: number) => void): Promise<void> {
    const pdf = await this.load();
    for (const page of new Set(places.map((p) => p.page))) {
      const item = makeThumbnail(page, undefined, go);
      await drawThumbnail(item, pdf, page, places);
      list.append(item);
    }
  }

  /** Shows which places have been reviewed and, unless null, which pages have been seen. */
  mark(reviewed: ReadonlySet<number>, seen: ReadonlySet<number> | null): void {
    this.reviewed = reviewed;
    this.seen = seen;
    this.onMark();
    for (const sheet of this.sheets) {
      for (const [i, box] of sheet.boxes) {
        box.classList.toggle("done", reviewed.has(i));
        const label = find(".visually-hidden", box);
        if (label) label.textContent = text(reviewed.has(i) ? "place.reviewed" : "place.label", i + 1, sheet.number);
      }
    }
  }

  /** Where a place is on its page: the key of the words that say it, and a picture of the page, which shows what is on it once it has been drawn. */
  where(index: number): { key: string; picture: HTMLElement } | null {
    const place = this.places[index];
    const sheet = place && this.sheets[place.page - 1];
    if (!sheet) return null;
    return { key: position(place, sheet), picture: makePicture(place, index, sheet, sheet.canvas ?? sheet.sketch) };
  }

  /** Draws the page of a place as small as its picture is, one after the other and after what is in view, and calls onDrawn. */
  sketch(index: number): void {
    const sheet = this.sheets[(this.places[index]?.page ?? 0) - 1];
    if (!sheet || savesData()) return;
    this.sketches = this.sketches
      .then(async () => {
        await Promise.all([...this.near].map((s) => s.drawing));
        await this.measure(sheet);
        if (!sheet.page || sheet.canvas || sheet.sketch) return;
        sheet.sketch = await drawSmall(sheet.page, pictureSize / Math.max(sheet.width, sheet.height));
        if (!sheet.canvas) sheet.page.cleanup();
        this.onDrawn(sheet.number);
      })
      .catch(() => undefined);
  }

  /** The width in CSS pixels of a page that fits the window. */
  private fitted(): number {
    const style = getComputedStyle(this.pages);
    return Math.min(this.pages.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight), 1000);
  }

  /** The scale, in CSS pixels per point, at which a page is shown. */
  private scale(sheet: Sheet): number {
    return (this.fitted() / sheet.width) * this.zoom;
  }

  private async measure(sheet: Sheet): Promise<void> {
    if (sheet.page || !this.pdf) return;
    sheet.page = await this.pdf.getPage(sheet.number);
    const { width, height } = displayed(sheet.page);
    if (width === sheet.width && height === sheet.height) return;
    const resize = (): void => {
      sheet.resize(width, height);
      this.layout();
    };
    // A page that begins in the window, or below it, moves nothing that is above it.
    if (offsetTop(sheet.element, this.pages) >= this.pages.scrollTop) resize();
    else this.keep(resize);
  }

  private layout(): void {
    this.fit = this.fitted();
    this.pages.style.setProperty("--sheet-width", String(this.fit * this.zoom));
    this.placeBoxes();
  }

  // The box is a fraction of the displayed page, so it follows every zoom.
  private placeBoxes(): void {
    this.places.forEach((place, i) => {
      const sheet = this.sheets[place.page - 1];
      if (!sheet) return;
      let box = sheet.boxes.get(i);
      if (!box) {
        box = document.createElement("button");
        box.type = "button";
        box.className = place.signature ? "place-box signed" : "place-box";
        const label = document.createElement("span");
        label.className = "visually-hidden";
        label.textContent = text("place.label", place.signature ?? i + 1, place.page);
        box.append(label, place.signature ? number(place.signature) : appearance(this.root.dataset));
        box.addEventListener("click", () => this.onPlace(i));
        sheet.boxes.set(i, box);
        sheet.element.append(box);
      }
      const style = box.style;
      style.setProperty("left", `${place.x * 100}%`);
      style.setProperty("bottom", `${place.y * 100}%`);
      style.setProperty("width", `${(place.width ?? boxWidth / sheet.width) * 100}%`);
      style.setProperty("height", `${(place.height ?? boxHeight / sheet.height) * 100}%`);
    });
  }

  private tools(): void {
    const bar = find(".viewer-bar", this.root);
    if (bar) bar.hidden = false;
    for (const button of findAll("[data-zoom]", this.root)) {
      button.addEventListener("click", () => this.setZoom(button.dataset["zoom"] ?? "fit"));
    }
    this.pages.addEventListener("keydown", (e) => {
      if (e.ctrlKey || e.metaKey || e.altKey) return; // the browser's own zoom stays
      if (e.key === "+" || e.key === "=") this.setZoom("in");
      else if (e.key === "-") this.setZoom("out");
      else if (e.key === "0") this.setZoom("fit");
      else return;
      e.preventDefault();
    });
    onPinch(
      this.pages,
      (factor, x, y) => {
        this.chosen = true;
        this.zoomTo(this.zoom * factor, x, y);
      },
      () => this.redraw(),
    );
    this.width = this.pages.clientWidth;
    new ResizeObserver(() => {
      if (this.pages.clientWidth === this.width) return;
      this.width = this.pages.clientWidth;
      if (this.resizing) clearTimeout(this.resizing);
      else void this.during(new Promise<void>((applied) => (this.applied = applied)));
      this.resizing = window.setTimeout(() => this.resized(), 120);
    }).observe(this.pages);
    let still = 0;
    const scrolled = (): void => {
      this.showPage();
      clearTimeout(still);
      still = window.setTimeout(() => {
        for (const sheet of this.near) void this.during(this.sharpen(sheet));
      }, 120);
    };
    this.pages.addEventListener("scroll", scrolled, { passive: true });
    if (this.pdf) addTools(this.root, this, this.pdf);
    this.showPage();
  }

  /** Fits the pages to another width of the window. Pages that the person has zoomed keep their size. */
  private resized(): void {
    clearTimeout(this.resizing);
    this.resizing = 0;
    this.width = this.pages.clientWidth;
    const sheet = this.sheets[this.current - 1];
    const fits = Math.abs(this.zoom - 1) < 0.005 || !sheet;
    this.zoomTo(fits ? 1 : this.chosen ? (this.zoom * this.fit) / this.fitted() : this.readableZoom(sheet));
    this.redraw();
    this.applied();
  }

  private setZoom(what: string): void {
    const now = this.zoom;
    this.chosen = what !== "fit";
    const last = zooms[zooms.length - 1] ?? 1;
    if (what === "in") this.zoomTo(zooms.find((z) => z > now + 0.01) ?? 2 * now);
    else if (what === "out") this.zoomTo(now > 2 * last ? now / 2 : (zooms.filter((z) => z < now - 0.01).pop() ?? now));
    else this.zoomTo(1);
    this.redraw();
  }

  /** Zooms to a multiple of "fit to width". What is at a point of the window, or at its middle, stays there. */
  private zoomTo(zoom: number, x?: number, y?: number): void {
    this.keep(
      () => {
        this.zoom = Math.min(this.largestZoom(), Math.max(zooms[0] ?? 1, zoom));
        this.layout();
      },
      x,
      y,
    );
    this.showZoom();
  }

  /** Changes the layout and scrolls so that the part of a page that was at a point of the window is there again. */
  private keep(change: () => void, x = this.pages.clientWidth / 2, y = this.pages.clientHeight / 2): void {
    const view = this.pages.getBoundingClientRect();
    const [left, top] = [view.left + this.pages.clientLeft + x, view.top + this.pages.clientTop + y];
    const sheet = this.sheetAt(y);
    const before = sheet?.element.getBoundingClientRect();
    change();
    const after = sheet?.element.getBoundingClientRect();
    if (!before || !after) return;
    this.pages.scrollLeft += after.left + ((left - before.left) / before.width) * after.width - left;
    this.pages.scrollTop += after.top + ((top - before.top) / before.height) * after.height - top;
  }

  private redraw(): void {
    for (const sheet of this.near) void this.draw(sheet);
  }

  /** The page at a height of the window. */
  private sheetAt(y: number): Sheet | undefined {
    let found = this.sheets[0];
    for (const sheet of this.sheets) {
      if (sheet.element.offsetTop > this.pages.scrollTop + y) break;
      found = sheet;
    }
    return found;
  }

  private showZoom(): void {
    const out = find("[data-viewer-scale]", this.root);
    const sheet = this.sheets[this.current - 1];
    if (!out || !sheet) return;
    out.textContent = Math.abs(this.zoom - 1) < 0.005 ? text("viewer.fit") : `${Math.round((this.scale(sheet) * 7200) / 96)}%`;
  }

  /** Shows the number of the page in the middle of the window: at either end of the document, of its first or last page. */
  private showPage(): void {
    const { scrollTop, scrollHeight, clientHeight } = this.pages;
    const y = scrollTop <= 1 ? 0 : scrollTop + clientHeight >= scrollHeight - 1 ? clientHeight : clientHeight / 2;
    const n = this.sheetAt(y)?.number ?? 1;
    if (n === this.current) return;
    this.current = n;
    this.showZoom(); // pages differ in width
    this.onPage(n);
  }

  /** Draws the pages that come near, from now on. The result resolves when the first of them are known. */
  private observe(): Promise<void> {
    return new Promise((known) => {
      this.observer = new IntersectionObserver(
        (entries) => {
          for (const e of entries) {
            const sheet = this.sheets[Number((e.target as HTMLElement).dataset["sheet"]) - 1];
            if (!sheet) continue;
            if (e.isIntersecting) {
              this.near.add(sheet);
              void this.draw(sheet);
            } else {
              this.near.delete(sheet);
              sheet.showDetail(null);
            }
          }
          this.forget();
          known();
        },
        { root: null, rootMargin: "60% 0px" },
      );
      for (const sheet of this.sheets) this.observer.observe(sheet.element);
    });
  }

  /** Frees canvases far from view: a phone's browser has little room for them. */
  private forget(): void {
    let pixels = this.sheets.reduce((sum, s) => sum + s.pixels, 0);
    const far = this.sheets.filter((s) => s.canvas && !this.near.has(s));
    far.sort((a, b) => Math.abs(b.number - this.current) - Math.abs(a.number - this.current));
    for (const sheet of far) {
      if (pixels <= keptPixels) return;
      pixels -= sheet.pixels;
      this.free(sheet);
    }
  }

  private free(sheet: Sheet): void {
    sheet.showDetail(null);
    if (sheet.canvas) discard(sheet.canvas);
    sheet.layer?.remove();
    sheet.canvas = sheet.layer = sheet.text = null;
    sheet.drawnAt = 0;
    sheet.element.classList.remove("drawn");
    sheet.page?.cleanup();
  }

  /** Draws again what the browser has emptied, and frees it out of view. */
  private restore(): void {
    for (const sheet of this.sheets) {
      if (sheet.detail && !filled(sheet.detail.canvas)) {
        sheet.showDetail(null);
        void this.draw(sheet);
      }
      if (!sheet.canvas || filled(sheet.canvas)) continue;
      sheet.drawnAt = 0;
      if (this.near.has(sheet)) void this.draw(sheet);
      else this.free(sheet);
    }
  }

  /** Draws a page at the present scale; calls for the same page join. */
  private draw(sheet: Sheet): Promise<void> {
    return this.during(this.drawNow(sheet).then(() => this.sharpen(sheet)));
  }

  /** Draws what is in view of a page as sharp as the window is, if the whole page has too many pixels for that, as plans have. */
  private async sharpen(sheet: Sheet): Promise<void> {
    const { page, canvas } = sheet;
    const seen = this.inView(sheet, 0);
    const part = this.inView(sheet, 200);
    if (!page || !canvas || !seen || !part || !this.sharp(sheet)) return;
    const scale = this.scale(sheet);
    const most = Math.sqrt(maxPixels / ((part.right - part.left) * (part.bottom - part.top)));
    const ratio = Math.min(devicePixelRatio || 1, most);
    if (canvas.width > 0.9 * scale * sheet.width * Math.min(ratio, 2)) return sheet.showDetail(null);
    const old = sheet.detail;
    if (old?.scale === scale && old.left <= seen.left && old.top <= seen.top && old.right >= seen.right && old.bottom >= seen.bottom) return;
    const detail = document.createElement("canvas");
    detail.width = Math.max(1, Math.floor((part.right - part.left) * ratio));
    detail.height = Math.max(1, Math.floor((part.bottom - part.top) * ratio));
    detail.setAttribute("aria-hidden", "true");
    sheet.detailTask?.cancel();
    const task = (sheet.detailTask = page.render({
      canvas: detail,
      viewport: page.getViewport({ scale: scale / page.userUnit }),
      transform: [ratio, 0, 0, ratio, -part.left * ratio, -part.top * ratio],
    }));
    const drawn = await task.promise.then(() => filled(detail), () => false); // cancelled, or without memory: what is there stays
    if (drawn && sheet.canvas === canvas && this.near.has(sheet)) sheet.showDetail({ ...part, canvas: detail, scale });
    else discard(detail);
  }

  /** The part of a page that is in the window, with so many pixels around it at most, or null. */
  private inView(sheet: Sheet, around: number): Part | null {
    const view = this.pages.getBoundingClientRect();
    const page = sheet.element.getBoundingClientRect();
    const part = (from: number, to: number, start: number, size: number): [number, number] => {
      const rim = Math.min(around, (to - from) / 4);
      return [Math.max(0, Math.floor(from - rim - start)), Math.min(Math.floor(size), Math.ceil(to + rim - start))];
    };
    const [left, right] = part(view.left, view.right, page.left, page.width);
    const [top, bottom] = part(view.top, view.bottom, page.top, page.height);
    return left < right && top < bottom ? { left, top, right, bottom } : null;
  }

  private async drawNow(sheet: Sheet): Promise<void> {
    if (this.ahead && this.ahead !== sheet) this.ahead.task?.cancel(); // what is in view comes first
    while (sheet.drawing) {
      await sheet.drawing;
      if (this.sharp(sheet)) return this.lookAhead();
    }
    if (this.sharp(sheet)) return this.lookAhead();
    sheet.drawing = this.paint(sheet, maxPixels)
      .catch(() => {
        this.forget();
        return this.paint(sheet, lastTry);
      })
      .catch(() => this.failPage(sheet));
    await sheet.drawing;
    sheet.drawing = null;
    this.forget();
    this.lookAhead();
  }

  /** Whether a page is drawn for the present scale. */
  private sharp(sheet: Sheet): boolean {
    return Math.abs(sheet.drawnAt - this.scale(sheet)) < 0.001;
  }

  /** Draws the pages beside those in view once nothing else is to be done. Then the viewer has the mark data-viewer-idle. */
  private lookAhead(): void {
    delete this.root.dataset["viewerIdle"];
    if (savesData()) return; // a page that is never in view may have to be fetched
    clearTimeout(this.idle);
    this.idle = window.setTimeout(() => void this.drawAhead(), 100);
  }

  /**
   * Draws the page after those in view, or else the page before them, so that a person who scrolls finds it drawn. It waits for
   * the pages in view, and takes no memory that they need.
   */
  private async drawAhead(): Promise<void> {
    const seen = [...this.near];
    if (this.ahead || this.resizing || !seen.every((s) => this.sharp(s) || s.element.classList.contains("failed"))) return;
    const numbers = seen.map((s) => s.number);
    const beside = [Math.max(...numbers) + 1, Math.min(...numbers) - 1].map((n) => this.sheets[n - 1]);
    const taken = [...seen, ...beside].reduce((sum, s) => sum + (s?.pixels ?? 0), 0);
    const sheet = beside.find((s) => s && !s.drawing && !this.sharp(s) && !s.element.classList.contains("failed"));
    if (!sheet || taken - sheet.pixels + this.wanted(sheet) > keptPixels) {
      this.root.dataset["viewerIdle"] = "";
      return;
    }
    this.ahead = sheet;
    sheet.drawing = this.paint(sheet, maxPixels).catch(() => undefined); // if it comes into view it is tried again
    await sheet.drawing;
    sheet.drawing = this.ahead = null;
    this.forget();
    if (this.sharp(sheet)) this.lookAhead();
    else this.root.dataset["viewerIdle"] = "";
  }

  /** The pixels of a page at the present scale. */
  private wanted(sheet: Sheet): number {
    const width = this.scale(sheet) * sheet.width * (devicePixelRatio || 1);
    return Math.min(maxPixels, (width * width * sheet.height) / sheet.width);
  }

  /** A page that cannot be drawn says so, and where it can be read. */
  private failPage(sheet: Sheet): void {
    if (sheet.canvas && filled(sheet.canvas)) {
      sheet.drawnAt = this.scale(sheet); // less sharp than it might be, and readable
      return;
    }
    sheet.showDetail(null);
    sheet.canvas?.remove();
    sheet.layer?.remove();
    sheet.canvas = sheet.layer = sheet.text = null;
    sheet.element.classList.remove("drawn");
    if (sheet.element.classList.contains("failed")) return;
    sheet.element.classList.add("failed");
    const note = document.createElement("p");
    note.className = "sheet-failed";
    note.append(text("page.failed", sheet.number));
    const open = find("[data-viewer-failed] a", this.root)?.cloneNode(true) as HTMLElement | undefined;
    if (open) note.append(" ", open);
    const focused = sheet.element.contains(document.activeElement);
    sheet.element.append(note);
    if (focused) open?.focus(); // the boxes of the page are hidden now
  }

  private async paint(sheet: Sheet, most: number): Promise<void> {
    await this.measure(sheet);
    const page = sheet.page;
    if (!page) return;
    const scale = this.scale(sheet);
    // pdf.js multiplies by UserUnit; our scale is per displayed point without it.
    const viewport = page.getViewport({ scale: scale / page.userUnit });
    const area = viewport.width * viewport.height;
    const ratio = Math.min(devicePixelRatio || 1, Math.sqrt(most / area));
    const canvas = document.createElement("canvas");
    canvas.width = Math.max(1, Math.floor(viewport.width * ratio));
    canvas.height = Math.max(1, Math.floor(viewport.height * ratio));
    canvas.setAttribute("aria-hidden", "true");
    sheet.task = page.render({
      canvas,
      viewport,
      transform: [canvas.width / viewport.width, 0, 0, canvas.height / viewport.height, 0, 0],
    });
    await sheet.task.promise;
    if (!filled(canvas)) throw new Error("viewer: an empty canvas");
    find(".sheet-failed", sheet.element)?.remove();
    sheet.element.classList.remove("failed");
    sheet.canvas?.remove();
    sheet.canvas = canvas;
    sheet.element.prepend(canvas);
    sheet.element.classList.add("drawn");
    sheet.drawnAt = scale;
    this.onDrawn(sheet.number);
    if (!sheet.layer) sheet.text = this.during(this.addText(sheet, page, scale)); // the picture does not wait for it
  }

  private async addText(sheet: Sheet, page: PDFPageProxy, scale: number): Promise<pdfjs.TextLayer | null> {
    const layer = document.createElement("div");
    layer.className = "textLayer";
    (sheet.detail?.canvas ?? sheet.canvas)?.after(layer);
    sheet.layer = layer;
    const textLayer = new pdfjs.TextLayer({
      textContentSource: page.streamTextContent({ disableNormalization: true }), // as the search reads it
      container: layer,
      viewport: page.getViewport({ scale: scale / page.userUnit }),
    });
    try {
      await textLayer.render();
    } catch {
      layer.remove(); // a page whose text cannot be read is still shown
      return null;
    }
    return textLayer;
  }
}

/** Where a place is on its page, in points from the top left corner. */
function rectangleOf(place: Place, page: Sheet): DOMRect {
  const width = place.width ? place.width * page.width : boxWidth;
  const height = place.height ? place.height * page.height : boxHeight;
  return new DOMRect(place.x * page.width, (1 - place.y) * page.height - height, width, height);
}

/** Whether anything is on a canvas: pdf.js begins with a white page, and a browser without memory for it leaves nothing at all. */
function filled(canvas: HTMLCanvasElement): boolean {
  return canvas.getContext("2d")?.getImageData(0, 0, 1, 1).data[3] === 255;
}

function offsetTop(element: HTMLElement, root: HTMLElement): number {
  return element.getBoundingClientRect().top - root.getBoundingClientRect().top + root.scrollTop;
}

function offsetLeft(element: HTMLElement, root: HTMLElement): number {
  return element.getBoundingClientRect().left - root.getBoundingClientRect().left + root.scrollLeft;
}

/** The number of a signature, at the corner of its place. */
function number(n: number): HTMLElement {
  const element = document.createElement("span");
  element.className = "place-number";
  element.setAttribute("aria-hidden", "true");
  element.textContent = String(n);
  return element;
}
