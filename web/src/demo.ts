// The demo relying party: the page of a request reloads when something happened.

import { menus } from "./lib/menu";
import { copyButtons } from "./lib/copy";
import { guardForms } from "./lib/forms";
import { find } from "./lib/page";
import { startPlacing } from "./place";

guardForms();
copyButtons();
menus();
watchRequest();
chooseUpload();
const placing = find<HTMLFormElement>("[data-place-form]");
if (placing) startPlacing(placing);

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
