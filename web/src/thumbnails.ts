// Small pictures of pages, with the places on them.

import type { PDFDocumentProxy, PDFPageProxy } from "pdfjs-dist";
import { boxHeight, boxWidth } from "./lib/appearance";
import { find, findAll, text } from "./lib/page";
import type { Place } from "./sheet";

// Of the picture of a page in the list, at most, in CSS pixels; viewer.css has them too.
const width = 104;
const height = 147;
/** Pixels of the larger side of the picture of a place: two for each of CSS. */
export const pictureSize = 96;

/** Draws a page with so many pixels per displayed point. */
export async function drawSmall(page: PDFPageProxy, scale: number): Promise<HTMLCanvasElement> {
  const viewport = page.getViewport({ scale: scale / page.userUnit }); // which pdf.js multiplies by it
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.floor(viewport.width));
  canvas.height = Math.max(1, Math.floor(viewport.height));
  await page.render({ canvas, viewport }).promise;
  return canvas;
}

/** Draws the picture of a page, and its places, into its element. */
export async function drawThumbnail(item: HTMLElement, pdf: PDFDocumentProxy, number: number, places: Place[]): Promise<void> {
  const page = await pdf.getPage(number);
  const whole = page.getViewport({ scale: 1 / page.userUnit }); // in points, as the measures of a place
  const scale = Math.min(width / whole.width, height / whole.height) * Math.min(2, devicePixelRatio || 1);
  const canvas = await drawSmall(page, scale);
  const picture = find(".thumbnail-page", item);
  picture?.style.setProperty("--ratio", String(whole.width / whole.height));
  picture?.append(canvas);
  places.forEach((place, i) => {
    if (place.page === number) picture?.append(makeMark(place, i, whole));
  });
  item.classList.add("drawn");
}

/** A page as displayed, in points. */
export interface Size {
  width: number;
  height: number;
}

/** The mark of a place on the picture of its page. */
function makeMark(place: Place, index: number, page: Size): HTMLElement {
  const mark = document.createElement("span");
  mark.className = "thumbnail-place";
  mark.dataset["thumbnailPlace"] = String(index);
  mark.style.setProperty("left", `${place.x * 100}%`);
  mark.style.setProperty("bottom", `${place.y * 100}%`);
  mark.style.setProperty("width", `${(place.width ?? boxWidth / page.width) * 100}%`);
  mark.style.setProperty("height", `${(place.height ?? boxHeight / page.height) * 100}%`);
  return mark;
}

/** A picture of the page with one place, as large as the element that it is put into. Of what is on the page it shows what has been drawn. */
export function makePicture(place: Place, index: number, page: Size, drawn: HTMLCanvasElement | null): HTMLElement {
  const picture = document.createElement("span");
  picture.className = "thumbnail-page";
  picture.style.setProperty("--ratio", String(page.width / page.height));
  if (drawn) {
    const scale = pictureSize / Math.max(page.width, page.height);
    const canvas = document.createElement("canvas");
    canvas.width = Math.max(1, Math.round(page.width * scale));
    canvas.height = Math.max(1, Math.round(page.height * scale));
    const context = canvas.getContext("2d");
    if (context) {
      context.imageSmoothingQuality = "high";
      context.drawImage(drawn, 0, 0, canvas.width, canvas.height);
      picture.append(canvas);
    }
  }
  picture.append(makeMark(place, index, page));
  return picture;
}

/** The key of the words that name the ninth of the page in which the middle of a place is. */
export function position(place: Place, page: Size): string {
  const x = place.x + boxWidth / 2 / page.width;
  const y = place.y + boxHeight / 2 / page.height;
  const row = y > 2 / 3 ? "top" : y < 1 / 3 ? "bottom" : "middle";
  const column = x < 0.4 ? "left" : x > 0.6 ? "right" : "centre";
  return `place.${row}.${column}`;
}

/** Makes an element for a page that can be drawn and clicked, of its shape if that is known. */
export function makeThumbnail(number: number, size: Size | undefined, go: (page: number) => void): HTMLButtonElement {
  const item = document.createElement("button");
  item.type = "button";
  item.className = "thumbnail";
  item.dataset["thumbnail"] = String(number);
  const picture = document.createElement("span");
  picture.className = "thumbnail-page";
  if (size) picture.style.setProperty("--ratio", String(size.width / size.height));
  const label = document.createElement("span");
  label.className = "thumbnail-label";
  label.textContent = text("page.name", number);
  item.append(picture, label);
  item.addEventListener("click", () => go(number));
  return item;
}

/** What the list of pages shows of a document. */
export interface Listed {
  readonly places: Place[];
  /** The places that have been reviewed and, unless null, the pages that have been seen. */
  readonly reviewed: ReadonlySet<number>;
  readonly seen: ReadonlySet<number> | null;
  sizeOf(page: number): Size | undefined;
  during<T>(work: Promise<T>): Promise<T>;
}

/** Fills a list with all pages, each drawn when it comes into view. The function that it returns shows the present marks of the viewer. */
export function addThumbnails(list: HTMLElement, viewer: Listed, pdf: PDFDocumentProxy, go: (page: number) => void): () => void {
  const show = (item: HTMLElement): void => {
    const { reviewed, seen } = viewer;
    for (const mark of findAll("[data-thumbnail-place]", item)) {
      mark.classList.toggle("done", reviewed.has(Number(mark.dataset["thumbnailPlace"])));
    }
    if (!seen) return;
    const number = Number(item.dataset["thumbnail"]);
    item.classList.toggle("unseen", !seen.has(number));
    let state = find(".thumbnail-state", item);
    if (!state) {
      state = document.createElement("span");
      state.className = "thumbnail-state";
      item.append(state);
    }
    state.textContent = text(seen.has(number) ? "page.seen" : "page.unseen");
  };
  let queue = Promise.resolve(); // one at a time: the page that is read comes first
  const observer = new IntersectionObserver(
    (entries) => {
      for (const { isIntersecting, target } of entries) {
        if (!isIntersecting) continue;
        observer.unobserve(target);
        const item = target as HTMLElement;
        queue = queue
          .then(() => drawThumbnail(item, pdf, Number(item.dataset["thumbnail"]), viewer.places))
          .then(() => show(item))
          .catch(() => undefined);
        void viewer.during(queue);
      }
    },
    { root: list, rootMargin: "50% 0px" },
  );
  for (let n = 1; n <= pdf.numPages; n++) {
    const item = makeThumbnail(n, viewer.sizeOf(n), go);
    item.tabIndex = -1; // the current page is the way in, and arrows lead on
    show(item);
    list.append(item);
    observer.observe(item);
  }
  list.addEventListener("keydown", (e) => {
    const from = Number((e.target as HTMLElement).dataset["thumbnail"]);
    const to = { ArrowDown: from + 1, ArrowRight: from + 1, ArrowUp: from - 1, ArrowLeft: from - 1, Home: 1, End: pdf.numPages }[e.key];
    const item = find<HTMLButtonElement>(`[data-thumbnail="${to}"]`, list);
    if (!item) return;
    e.preventDefault();
    item.focus();
  });
  return () => findAll(".thumbnail", list).forEach(show);
}
