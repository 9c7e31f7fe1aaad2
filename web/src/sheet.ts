// The element of one page in the viewer, and what is known of the page.

import type { PDFPageProxy, RenderTask, TextLayer } from "pdfjs-dist";
import { text } from "./lib/page";

/** A place of a signature: its lower left corner as fractions of the displayed page. */
export interface Place {
  page: number;
  x: number;
  y: number;
  /** Of a signature that is there: its size as fractions of the page, and its number. */
  width?: number;
  height?: number;
  signature?: number;
}

/** A part of a page, in CSS pixels from its top left corner. */
export interface Part {
  left: number;
  top: number;
  right: number;
  bottom: number;
}

/** A part of a page drawn at a scale. */
export interface Detail extends Part {
  canvas: HTMLCanvasElement;
  scale: number;
}

/** One page's place in the document. */
export class Sheet {
  readonly element = document.createElement("div");
  width = 0; // points of the displayed page
  height = 0;
  page: PDFPageProxy | null = null;
  canvas: HTMLCanvasElement | null = null;
  detail: Detail | null = null; // over the canvas, where that is less sharp than the window
  sketch: HTMLCanvasElement | null = null; // the page as small as in the picture of a place
  layer: HTMLElement | null = null;
  text: Promise<TextLayer | null> | null = null; // null if the page has not been drawn, or has no text that can be read
  task: RenderTask | null = null;
  detailTask: RenderTask | null = null;
  drawnAt = 0; // scale of the canvas, 0 if none
  drawing: Promise<void> | null = null;
  boxes = new Map<number, HTMLButtonElement>();

  /** Pixels of the canvases. */
  get pixels(): number {
    return [this.canvas, this.detail?.canvas].reduce((sum, c) => sum + (c ? c.width * c.height : 0), 0);
  }

  constructor(
    readonly number: number,
    width: number,
    height: number,
  ) {
    this.resize(width, height);
    this.element.className = "sheet";
    this.element.dataset["sheet"] = String(number);
    this.element.setAttribute("role", "group");
    this.element.setAttribute("aria-label", text("page.name", number));
  }

  /** Puts a part of the page over its canvas, or takes it away. */
  showDetail(detail: Detail | null): void {
    if (this.detail) discard(this.detail.canvas);
    this.detail = detail;
    if (!detail) return;
    const [width, height] = [detail.scale * this.width, detail.scale * this.height];
    const style = detail.canvas.style;
    style.setProperty("left", `${(detail.left / width) * 100}%`);
    style.setProperty("top", `${(detail.top / height) * 100}%`);
    style.setProperty("width", `${((detail.right - detail.left) / width) * 100}%`);
    style.setProperty("height", `${((detail.bottom - detail.top) / height) * 100}%`);
    this.canvas?.after(detail.canvas);
  }

  /** Takes the size in points. The style sheet makes pixels of it with the width that all pages have. */
  resize(width: number, height: number): void {
    this.width = width;
    this.height = height;
    this.element.style.setProperty("--page-width", String(width));
    this.element.style.setProperty("--page-height", String(height));
  }
}

/** Takes a canvas away. Safari frees its memory now, and not some time later. */
export function discard(canvas: HTMLCanvasElement): void {
  canvas.width = canvas.height = 0;
  canvas.remove();
}

/** The displayed page in points: crop box, rotation applied, without UserUnit. */
export function displayed(page: PDFPageProxy): { width: number; height: number } {
  const [x0 = 0, y0 = 0, x1 = 0, y1 = 0] = page.view;
  const turned = page.rotate % 180 !== 0;
  return turned ? { width: y1 - y0, height: x1 - x0 } : { width: x1 - x0, height: y1 - y0 };
}
