// Placing signature boxes on a document by hand: a click adds one, dragging and the arrow keys move it, Delete removes it. The
// result is the claim sign_locations. Nothing leaves the browser until the form is sent.

import { boxHeight, boxWidth } from "./lib/appearance";
import { showDocument } from "./lib/document";
import { announce, find, findAll, text } from "./lib/page";

interface Box {
  page: number;
  x: number; // of the box's lower left corner, as a fraction of the page
  y: number;
  element: HTMLButtonElement;
}

const maxBoxes = 20;
const maxBytes = 10_485_759;

/** Makes the page of the demo on which boxes are placed work. */
export function startPlacing(form: HTMLFormElement): void {
  const frame = find("[data-place-document]");
  const file = find<HTMLInputElement>("input[type=file]", form);
  const sample = find<HTMLInputElement>("input[name=source][value=sample]", form);
  const upload = find<HTMLInputElement>("input[name=source][value=upload]", form);
  const claim = find("[data-place-claim]");
  const hidden = find<HTMLInputElement>("input[name=locations]", form);
  const problem = find("[data-place-problem]", form);
  const empty = frame?.cloneNode(true);
  if (!frame || !file || !sample || !upload || !claim || !hidden || !problem || !empty) return;
  const boxes: Box[] = [];

  const show = (): void => {
    const places = boxes.map(({ page, x, y }) => ({ page, x, y }));
    const rows = places.map((p) => `  ${JSON.stringify(p).replaceAll(":", ": ").replaceAll(",", ", ")}`);
    const json = rows.length ? `[\n${rows.join(",\n")}\n]` : "[]";
    const code = find("code", claim);
    if (code) code.textContent = `"sign_locations": ${json}`;
    const copy = find<HTMLButtonElement>("button[data-copy]", claim);
    if (copy) copy.dataset["copy"] = `"sign_locations": ${json}`;
    hidden.value = JSON.stringify(places);
    const send = find<HTMLButtonElement>("button[type=submit]", form);
    if (send) send.disabled = boxes.length === 0;
    for (const [i, box] of boxes.entries()) {
      box.element.classList.toggle("overlaps", boxes.some((other) => other !== box && overlap(box, other)));
      box.element.setAttribute("aria-label", text("place.box", i + 1, box.page));
      box.element.textContent = String(i + 1);
    }
  };
  const open = async (bytes?: Uint8Array): Promise<void> => {
    boxes.length = 0;
    show();
    const fresh = empty.cloneNode(true) as HTMLElement;
    find("[data-place-document]")?.replaceWith(fresh);
    const root = find("[data-viewer]", fresh);
    if (!root) return;
    fresh.addEventListener("click", (e) => {
      const target = e.target as Element;
      const sheet = target.closest<HTMLElement>("[data-sheet]");
      if (!sheet || target.closest("button, a") || getSelection()?.toString()) return;
      if (boxes.length === maxBoxes) {
        announce(text("place.most", maxBoxes));
        return;
      }
      const area = sheet.getBoundingClientRect();
      const { width, height } = size(sheet);
      const x = (e.clientX - area.left) / area.width - boxWidth / width / 2;
      const y = 1 - (e.clientY - area.top) / area.height - boxHeight / height / 2;
      add(sheet, x, y).element.focus();
    });
    await showDocument(root, bytes);
  };
  const add = (sheet: HTMLElement, x: number, y: number): Box => {
    const element = document.createElement("button");
    element.type = "button";
    element.className = "place-box own-box";
    const box: Box = { page: Number(sheet.dataset["sheet"]), x: 0, y: 0, element };
    const move = (toX: number, toY: number): void => {
      const { width, height } = size(sheet);
      // Four decimals, rounded down, as the API takes them: the box stays on the page.
      box.x = Math.floor(clamp(toX, 1 - boxWidth / width) * 1e4) / 1e4;
      box.y = Math.floor(clamp(toY, 1 - boxHeight / height) * 1e4) / 1e4;
      element.style.left = `${box.x * 100}%`;
      element.style.bottom = `${box.y * 100}%`;
      element.style.width = `${(boxWidth / width) * 100}%`;
      element.style.height = `${(boxHeight / height) * 100}%`;
      show();
    };
    element.addEventListener("pointerdown", (down) => {
      const area = sheet.getBoundingClientRect();
      const from = { x: box.x, y: box.y };
      element.setPointerCapture(down.pointerId);
      const drag = (e: PointerEvent): void =>
        move(from.x + (e.clientX - down.clientX) / area.width, from.y - (e.clientY - down.clientY) / area.height);
      element.addEventListener("pointermove", drag);
      element.addEventListener("lostpointercapture", () => element.removeEventListener("pointermove", drag), { once: true });
    });
    element.addEventListener("keydown", (e) => {
      const step = e.shiftKey ? 0.001 : 0.01;
      const steps: Record<string, [number, number]> = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, step], ArrowDown: [0, -step] };
      const by = steps[e.key];
      if (by) move(box.x + by[0], box.y + by[1]);
      else if (e.key === "Delete" || e.key === "Backspace") {
        boxes.splice(boxes.indexOf(box), 1);
        element.remove();
        show();
      } else return;
      e.preventDefault();
    });
    boxes.push(box);
    sheet.append(element);
    move(x, y);
    return box;
  };

  const take = async (chosen: File): Promise<void> => {
    const large = chosen.size > maxBytes;
    problem.hidden = !large;
    if (large) {
      problem.textContent = text("place.large", (chosen.size / 1048576).toFixed(1));
      file.value = "";
      return;
    }
    upload.checked = true;
    await open(new Uint8Array(await chosen.arrayBuffer()));
  };
  file.addEventListener("change", () => {
    if (file.files?.[0]) void take(file.files[0]).catch(() => undefined); // the viewer says what is wrong
  });
  sample.addEventListener("change", () => {
    file.value = "";
    void open().catch(() => undefined);
  });
  for (const kind of ["dragover", "drop"]) {
    document.addEventListener(kind, (e) => {
      const dropped = (e as DragEvent).dataTransfer;
      if (!dropped?.types.includes("Files")) return;
      e.preventDefault();
      if (kind !== "drop" || !dropped.files.length) return;
      file.files = dropped.files;
      file.dispatchEvent(new Event("change"));
    });
  }
  void open().catch(() => undefined);
}

function size(sheet: HTMLElement): { width: number; height: number } {
  const read = (name: string): number => Number(sheet.style.getPropertyValue(name));
  return { width: read("--page-width"), height: read("--page-height") };
}

function clamp(value: number, most: number): number {
  return Math.min(Math.max(value, 0), Math.max(most, 0));
}

function overlap(a: Box, b: Box): boolean {
  if (a.page !== b.page) return false;
  const sheet = findAll("[data-sheet]").find((s) => Number(s.dataset["sheet"]) === a.page);
  if (!sheet) return false;
  const { width, height } = size(sheet);
  return Math.abs(a.x - b.x) < boxWidth / width && Math.abs(a.y - b.y) < boxHeight / height;
}
