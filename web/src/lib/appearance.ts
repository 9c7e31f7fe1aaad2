// How the signature will look on the document: the measures and inks of pades/appearance.go, in points, seen from above. What
// the document shows below shows through here too. The outlines of the name come from the server
// (pades.SketchName), which draws them on the document too.

import { text } from "./page";

export const boxWidth = 220.5; // pt, the contract's signature box
export const boxHeight = 60;

const textX = 56;
const headWidth = 71.84; // of the words, in points (e2e.TestPreviewIsWhatIsSigned)
const spaceWidth = 2.22;
const brandWidth = 24.54;
const wordWidth = 28; // SANDBOX

/** Draws what the attributes of the viewer say. */
export function appearance(data: DOMStringMap): SVGSVGElement {
  const sandbox = data["appearanceSandbox"] !== undefined;
  const headY = Number(data["headY"]);
  const box = svg("svg", { class: sandbox ? "appearance sandbox" : "appearance", viewBox: `0 0 ${boxWidth} ${boxHeight}`, "aria-hidden": "true" });
  if (data["appearanceBackground"] !== undefined) {
    box.append(svg("rect", { class: "appearance-background", width: String(boxWidth), height: String(boxHeight), rx: "4" }));
  }
  box.append(seal());
  // These words have the widths that they have in the fonts of the document, whatever fonts the device has.
  const fixed = (kind: string, x: number, y: number, width: number, words: string): void => {
    const element = svg("text", { class: `appearance-${kind}`, x: String(x), y: String(y), textLength: String(width), lengthAdjust: "spacingAndGlyphs" });
    element.textContent = words;
    box.append(element);
  };
  fixed("head", textX, headY, headWidth, "Digitally signed with");
  fixed("brand", textX + headWidth + spaceWidth, headY, brandWidth, "Signet");
  if (sandbox) {
    const x = textX + headWidth + spaceWidth + brandWidth + 5;
    box.append(svg("rect", { class: "appearance-badge", x: String(x), y: String(headY - 6.7), width: String(wordWidth + 5.2), height: "9", rx: "2" }));
    fixed("word", x + 2.6, headY - 0.2, wordWidth, "SANDBOX");
  }
  box.append(svg("path", { class: "appearance-name", d: data["namePath"] ?? "" }));
  const time = svg("text", { class: "appearance-time", x: String(textX), y: data["timeY"] ?? "" });
  time.textContent = text("appearance.time");
  box.append(time);
  return box;
}

/** The mark, with the curves of drawMark. */
function seal(): SVGGElement {
  const bumps = 30;
  const at = (r: number, angle: number): string => `${(r * Math.cos(angle)).toFixed(2)} ${(r * Math.sin(angle)).toFixed(2)}`;
  const step = (2 * Math.PI) / bumps;
  let edge = `M${at(19.9, 0)}`;
  for (let i = 0; i < bumps; i++) edge += `C${at(21.9, step * (i + 0.18))} ${at(21.9, step * (i + 0.82))} ${at(19.9, step * (i + 1))}`;
  const mark = svg("g", { transform: "translate(27 30) scale(1 -1)" });
  mark.append(
    svg("path", { class: "appearance-seal", d: edge }),
    svg("circle", { class: "appearance-line", r: "16.8", "stroke-width": "0.9" }),
    svg("path", {
      class: "appearance-line",
      "stroke-width": "2.9",
      "stroke-linecap": "round",
      d: "M5.6 6.6C2.6 11.2-6.6 9.8-5.4 4.4C-4.4-.2 6.4 1.8 5.6-4.2C4.8-9.6-4.6-9.2-6.4-4.6",
    }),
  );
  return mark;
}

function svg<K extends keyof SVGElementTagNameMap>(kind: K, attributes: Record<string, string>): SVGElementTagNameMap[K] {
  const element = document.createElementNS("http://www.w3.org/2000/svg", kind);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}
