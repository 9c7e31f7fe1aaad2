// Reads the portal's QR code inside the app. The camera starts when the person
// presses, and stops when a code was read, on Stop, and when the page is hidden.

import { announce, find, text } from "./lib/page";

/** Finds the text of a QR code in a picture. */
type Reader = (picture: HTMLVideoElement) => Promise<string | null>;

interface Detector {
  detect(picture: HTMLVideoElement): Promise<{ rawValue: string }[]>;
}

interface DetectorClass {
  new (options: { formats: string[] }): Detector;
  getSupportedFormats(): Promise<string[]>;
}

export function startScan(root: HTMLElement): void {
  const start = find<HTMLButtonElement>("[data-scan-start]", root);
  const stop = find<HTMLButtonElement>("[data-scan-stop]", root);
  const view = find("[data-scan-view]", root);
  const video = view && find<HTMLVideoElement>("video", view);
  if (!start || !stop || !view || !video) return;
  let stream: MediaStream | null = null;
  let wanted = false;

  const show = (on: boolean): void => {
    view.hidden = !on;
    stop.hidden = !on;
    start.hidden = on;
  };
  const end = (): void => {
    wanted = false;
    for (const track of stream?.getTracks() ?? []) track.stop();
    stream = null;
    video.srcObject = null;
    show(false);
  };
  const begin = async (): Promise<void> => {
    if (wanted) return;
    wanted = true;
    complain(root, "");
    try {
      if (!navigator.mediaDevices) throw new DOMException("", "NotFoundError");
      stream = await navigator.mediaDevices.getUserMedia({ audio: false, video: { facingMode: { ideal: "environment" } } });
      if (!wanted) return end(); // the page was hidden while the person was asked
      video.srcObject = stream;
      show(true);
      await video.play();
      const read = await reader(root);
      while (wanted) {
        const found = await read(video).catch(() => null);
        if (!wanted) return;
        if (found !== null && follow(root, found)) return end();
        await new Promise((next) => setTimeout(next, 60));
      }
    } catch (e) {
      end();
      const denied = e instanceof DOMException && (e.name === "NotAllowedError" || e.name === "SecurityError");
      complain(root, text(denied ? "scan.denied" : "scan.none"));
    }
  };
  start.addEventListener("click", () => void begin());
  stop.addEventListener("click", () => {
    end();
    start.focus();
  });
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "hidden") end();
  });
  addEventListener("pagehide", end);
  // Who has just scanned with another app, and lets this page use the camera, goes on at once.
  if (root.dataset["again"] !== undefined) {
    void navigator.permissions
      ?.query({ name: "camera" as PermissionName })
      .then((p) => (p.state === "granted" ? begin() : undefined))
      .catch(() => undefined);
  }
}

/** Goes where the code leads, if it is one of this service's sign sessions and nothing else. */
function follow(root: HTMLElement, found: string): boolean {
  let url: URL;
  try {
    url = new URL(found);
  } catch {
    complain(root, text("scan.foreign"));
    return false;
  }
  if (url.origin !== location.origin || !/^\/phone\/sign\/[^/]+$/.test(url.pathname) || !url.searchParams.get("c")) {
    complain(root, text("scan.foreign"));
    return false;
  }
  announce(text("code.scanned"));
  location.assign(url.href);
  return true;
}

/** The browser's own reader if it has one, else ours, which is fetched now. */
async function reader(root: HTMLElement): Promise<Reader> {
  const own = (globalThis as { BarcodeDetector?: DetectorClass }).BarcodeDetector;
  if (own && (await own.getSupportedFormats().catch((): string[] => [])).includes("qr_code")) {
    const detector = new own({ formats: ["qr_code"] });
    return async (video) => (await detector.detect(video))[0]?.rawValue ?? null;
  }
  const { decode } = (await import(root.dataset["decoderUrl"] ?? "")) as typeof import("./decode");
  const canvas = document.createElement("canvas");
  const context = canvas.getContext("2d", { willReadFrequently: true });
  return (video) => {
    if (!context || !video.videoWidth) return Promise.resolve(null);
    // Half a megapixel is plenty for a code that fills the view, and quick on an old phone.
    const scale = Math.min(1, 800 / Math.max(video.videoWidth, video.videoHeight));
    canvas.width = Math.round(video.videoWidth * scale);
    canvas.height = Math.round(video.videoHeight * scale);
    context.drawImage(video, 0, 0, canvas.width, canvas.height);
    return Promise.resolve(decode(context.getImageData(0, 0, canvas.width, canvas.height)));
  };
}

function complain(root: HTMLElement, message: string): void {
  const box = find("[data-scan-error]", root);
  const line = box && find("p", box);
  if (!box || !line || line.textContent === message) return;
  line.textContent = message;
  box.hidden = message === "";
}
