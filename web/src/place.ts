// Placing signature boxes on a document by hand: a click or a button adds one, dragging and the arrow keys move it, Delete or a
// button removes it. The result is the claim sign_locations. Nothing leaves the browser until the form is sent.

import { boxHeight, boxWidth } from "./lib/appearance";
import { showDocument } from "./lib/document";
import { announce, find, findAll, text } from "./lib/page";

interface Box {
  page: number;
  x: number; // of the box's lower left corner, as a fraction of the page
  y: number;
  element: HTMLButtonElement;
  move: (toX: number, toY: number) => void;
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
  const addButton = find<HTMLButtonElement>("[data-place-add]");
  const removeButton = find<HTMLButtonElement>("[data-place-remove]");
  if (!frame || !file || !sample || !upload || !claim || !hidden || !problem || !empty || !addButton || !removeButton) return;
  const boxes: Box[] = [];
  let chosen: Box | undefined; // had the focus last

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
    addButton.disabled = boxes.length === maxBoxes || !find("[data-sheet]");
    removeButton.disabled = !chosen;
    for (const [i, box] of boxes.entries()) {
      box.element.classList.toggle("overlaps", overlaps(box));
      box.element.classList.toggle("chosen", box === chosen);
      box.element.setAttribute("aria-label", text("place.box", i + 1, box.page));
      box.element.textContent = String(i + 1);
    }
  };
  const open = async (bytes?: Uint8Array): Promise<void> => {
    boxes.length = 0;
    chosen = undefined;
    const fresh = empty.cloneNode(true) as HTMLElement;
    find("[data-place-document]")?.replaceWith(fresh);
    show();
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
    show();
  };
  const add = (sheet: HTMLElement, x: number, y: number): Box => {
    const element = document.createElement("button");
    element.type = "button";
    element.className = "place-box own-box";
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
    const box: Box = { page: Number(sheet.dataset["sheet"]), x: 0, y: 0, element, move };
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
      if (by) {
        move(box.x + by[0], box.y + by[1]);
        announce(text(overlaps(box) ? "place.at.overlaps" : "place.at", percent(box.x), percent(box.y)));
      } else if (e.key === "Delete" || e.key === "Backspace") remove(box);
      else return;
      e.preventDefault();
    });
    element.addEventListener("focus", () => {
      chosen = box;
      show();
    });
    boxes.push(box);
    sheet.append(element);
    move(x, y);
    return box;
  };

  const overlaps = (box: Box): boolean => boxes.some((other) => other !== box && overlap(box, other));
  /** Removes a box. The focus goes to the one before it, or to the button that adds one. */
  const remove = (box: Box): void => {
    const i = boxes.indexOf(box);
    boxes.splice(i, 1);
    chosen = undefined;
    box.element.remove();
    show();
    announce(text("place.removed", i + 1, box.page));
    (boxes[Math.max(i - 1, 0)]?.element ?? addButton).focus();
  };
  addButton.addEventListener("click", () => {
    const number = find<HTMLInputElement>("[data-viewer-page]")?.value ?? "1";
    const sheet = find(`[data-sheet="${number}"]`) ?? find("[data-sheet]");
    if (!sheet || boxes.length === maxBoxes) return;
    const { width, height } = size(sheet);
    const box = add(sheet, 0.1, 0.05);
    // Above those that are there.
    for (let y = box.y; overlaps(box) && y < 1 - boxHeight / height; y += boxHeight / height / 4) box.move(Math.min(0.1, 1 - boxWidth / width), y);
    box.element.focus();
    box.element.scrollIntoView({ block: "nearest", inline: "nearest" });
  });
  removeButton.addEventListener("click", () => {
    if (chosen) remove(chosen);
  });

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

function percent(part: number): number {
  return Math.round(part * 100);
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
