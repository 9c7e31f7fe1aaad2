// Where the words of a page are: the text layer has one element for each run of text.

import type { PageViewport, TextLayer } from "pdfjs-dist";
import type { TextContent } from "pdfjs-dist/types/src/display/api";
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

/** Where the runs of text of a page are, in points of the viewport, which has the scale of a point. Blank runs are left out. */
export function lines({ items, styles }: TextContent, viewport: PageViewport): DOMRect[] {
  const found: DOMRect[] = [];
  const page = new DOMMatrix(viewport.transform as number[]);
  for (const item of items) {
    if (!("str" in item) || !item.str.trim()) continue;
    const style = styles[item.fontName];
    const { a, b, c, d, e: x, f: y } = page.multiply(new DOMMatrix(item.transform as number[]));
    const size = Math.hypot(c, d);
    const ascent = style?.ascent || (style?.descent ? 1 + style.descent : 0.8);
    // Along the line, and from its baseline up and down.
    const angle = Math.atan2(b, a) + (style?.vertical ? Math.PI / 2 : 0);
    const [along, across] = [style?.vertical ? item.height : item.width, size];
    const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
    const [left, top] = [x + ascent * size * sin, y - ascent * size * cos];
    const xs = [left, left + along * cos, left - across * sin, left + along * cos - across * sin];
    const ys = [top, top + along * sin, top + across * cos, top + along * sin + across * cos];
    found.push(new DOMRect(Math.min(...xs), Math.min(...ys), Math.max(...xs) - Math.min(...xs), Math.max(...ys) - Math.min(...ys)));
  }
  return found;
}

/** Whether a place lies over text: over more of a line than the room between lines. */
export function covers(place: DOMRect, text: DOMRect[]): boolean {
  return text.some((line) => {
    const rim = Math.min(line.width, line.height) / 5;
    return line.left + rim < place.right && line.right - rim > place.left && line.top + rim < place.bottom && line.bottom - rim > place.top;
  });
}
