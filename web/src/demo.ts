// The demo relying party: the page of a request reloads when something happened.

import { menus } from "./lib/menu";
import { copyButtons } from "./lib/copy";
import { guardForms, release } from "./lib/forms";
import { find, showLost } from "./lib/page";
import { startPlacing } from "./place";
import { upload } from "./lib/upload";

guardForms();
menus();
copyButtons();
watchRequest();
start();

/** Makes what is in main work. */
function start(): void {
  chooseUpload();
  sendUploads();
  const placing = find<HTMLFormElement>("[data-place-form]");
  if (placing) startPlacing(placing);
}

function watchRequest(): void {
  const card = find("[data-demo-request]");
  const url = card?.dataset["demoStateUrl"];
  if (!card || !url) return;
  const state = card.dataset["demoState"];
  const seq = Number(card.dataset["demoSeq"] ?? 0);
  setInterval(() => {
    if (document.visibilityState === "hidden") return;
    void (async () => {
      try {
        const answer = await fetch(url, { cache: "no-store" });
        if (!answer.ok) return;
        const now = (await answer.json()) as { state: string; seq?: number };
        if (now.state !== state || (now.seq ?? seq) !== seq) location.reload();
      } catch {
        // The next tick asks again.
      }
    })();
  }, 1000);
}

/** Choosing a file means uploading it. */
function chooseUpload(): void {
  const file = find<HTMLInputElement>("#demo-file");
  const upload = find<HTMLInputElement>("input[name=source][value=upload]");
  if (!file || !upload) return;
  file.addEventListener("change", () => {
    if (file.files?.length) upload.checked = true;
  });
}

/** Sends a chosen file from the page, so that it can say how much has been sent. */
function sendUploads(): void {
  const form = find<HTMLFormElement>("[data-demo-form], [data-place-form]");
  const file = form && find<HTMLInputElement>("input[type=file]", form);
  const chosen = form && find<HTMLInputElement>("input[name=source][value=upload]", form);
  if (!form || !file || !chosen) return;
  form.addEventListener("submit", (e) => {
    if (!chosen.checked || !file.files?.length) return;
    e.preventDefault();
    void send(form);
  });
}

async function send(form: HTMLFormElement): Promise<void> {
  const answer = await upload(form).catch(() => null);
  showLost(answer === null);
  if (answer && answer.url !== form.action) {
    location.assign(answer.url); // of the request that was made
    return;
  }
  const refused = answer && find("main", answer.page);
  if (!refused) {
    release(form);
    return;
  }
  find("main")?.replaceWith(refused);
  start();
  scrollTo({ top: 0 });
}
