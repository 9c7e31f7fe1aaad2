// The element of one page in the viewer, and what is known of the page.

import type { PDFPageProxy, RenderTask, TextLayer } from "pdfjs-dist";
import { text } from "./lib/page";

/** One page's place in the document. */
export class Sheet {
  readonly element = document.createElement("div");
  width = 0; // points of the displayed page
  height = 0;
  page: PDFPageProxy | null = null;
  canvas: HTMLCanvasElement | null = null;
  sketch: HTMLCanvasElement | null = null; // the page as small as in the picture of a place
  layer: HTMLElement | null = null;
  text: Promise<TextLayer | null> | null = null; // null if the page has not been drawn, or has no text that can be read
  task: RenderTask | null = null;
  drawnAt = 0; // scale of the canvas, 0 if none
  drawing: Promise<void> | null = null;
  boxes = new Map<number, HTMLButtonElement>();

  /** Pixels of the canvas. */
  get pixels(): number {
    return this.canvas ? this.canvas.width * this.canvas.height : 0;
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

  /** Takes the size in points. The style sheet makes pixels of it with the width that all pages have. */
  resize(width: number, height: number): void {
    this.width = width;
    this.height = height;
    this.element.style.setProperty("--page-width", String(width));
    this.element.style.setProperty("--page-height", String(height));
  }
}

/** The displayed page in points: crop box, rotation applied, without UserUnit. */
export function displayed(page: PDFPageProxy): { width: number; height: number } {
  const [x0 = 0, y0 = 0, x1 = 0, y1 = 0] = page.view;
  const turned = page.rotate % 180 !== 0;
  return turned ? { width: y1 - y0, height: x1 - x0 } : { width: x1 - x0, height: y1 - y0 };
}
