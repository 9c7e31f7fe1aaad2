// Where the words of a page are: the text layer has one element for each run of text.

import type { TextLayer } from "pdfjs-dist";
import type { Match } from "../search";

/** Where a match is in the window. */
export function rectangles({ textDivs, textContentItemsStr }: TextLayer, { start, length }: Match): DOMRect[] {
  const found: DOMRect[] = [];
  let at = 0; // position of the run
  textContentItemsStr.forEach((run, i) => {
    const [from, to] = [Math.max(start, at) - at, Math.min(start + length, at + run.length) - at];
    const node = textDivs[i]?.firstChild;
    if (from < to && node) {
      const range = document.createRange();
      range.setStart(node, from);
      range.setEnd(node, to);
      found.push(...range.getClientRects());
    }
    at += run.length;
  });
  return found;
}

/** Whether a place lies over text: over more of a line than the room between lines. */
export function covers(box: HTMLElement, lines: HTMLElement[]): boolean {
  const b = box.getBoundingClientRect();
  return lines.some((line) => {
    if (!line.textContent?.trim()) return false;
    const r = line.getBoundingClientRect();
    const rim = Math.min(r.width, r.height) / 5;
    return r.left + rim < b.right && r.right - rim > b.left && r.top + rim < b.bottom && r.bottom - rim > b.top;
  });
}
