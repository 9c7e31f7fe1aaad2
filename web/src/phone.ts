// The phone: enrolment, approval, and the list of devices.

import { startApproval } from "./approve";
import { startEnrolment } from "./enrol";
import { countDown } from "./lib/countdown";
import { menus } from "./lib/menu";
import { guardForms } from "./lib/forms";
import { Refusal } from "./lib/api";
import { approvePhone, enrolled, forget, type PhoneKey, removePhone, supported } from "./lib/key";
import { find, findAll, text } from "./lib/page";
import { startScan } from "./scan";

guardForms();
menus();
countDown(() => undefined);
const enrol = find("[data-enrol]");
if (enrol) startEnrolment(enrol);
const approve = find("[data-approve]");
if (approve) void startApproval(approve);
const scan = find("[data-scan]");
if (scan) startScan(scan);
find("[data-reload]")?.addEventListener("click", () => location.reload());
void markThisPhone();
// The app opens without a connection too, and then says so. Where there is no such thing it works all the same.
void navigator.serviceWorker?.register("/phone/worker.js").catch(() => undefined);

/** A phone that can sign may approve those that wait, and remove phones at once. */
function offerApprovals(key: PhoneKey): void {
  offer("approve", "approved", (id) => approvePhone(key, id));
  offer("remove", "removed", (id) => removePhone(key, id));
}

/** Shows the buttons of an act of this phone's key, in place of what a login does. */
function offer(act: "approve" | "remove", done: string, go: (phoneId: string) => Promise<void>): void {
  for (const button of findAll<HTMLButtonElement>(`[data-${act}-phone]`)) {
    const id = button.dataset[`${act}Phone`] ?? "";
    const place = button.closest("[data-approval]") ?? document;
    for (const part of findAll("[data-by-login]", place)) part.hidden = true;
    for (const part of findAll("[data-by-key]", place)) part.hidden = false;
    button.addEventListener("click", () => {
      button.disabled = true;
      go(id).then(
        () => location.assign(`/phone/?${done}=${encodeURIComponent(id)}`),
        (e: unknown) => {
          button.disabled = false;
          const line = find("[data-approval-error]", place);
          if (!line) return;
          line.textContent = e instanceof Refusal ? text(`${act}.phone.failed`, e.description || e.code) : text("enrol.network");
          line.hidden = false;
        },
      );
    });
  }
}

/** The server does not know which of a person's devices is looking: the key does. */
async function markThisPhone(): Promise<void> {
  const section = find("[data-phones]");
  if (!section) return;
  let mine: PhoneKey[] = [];
  try {
    if (supported()) mine = await enrolled();
  } catch {
    // No storage: then this device is not one of them.
  }
  let signing: PhoneKey | null = null;
  let waits = false;
  for (const item of findAll("[data-phone-id]", section)) {
    const key = mine.find((k) => k.phoneId === item.dataset["phoneId"]);
    const tag = find("[data-here]", item);
    if (tag) tag.hidden = !key;
    if (!key) continue;
    if (item.dataset["waits"] !== undefined) {
      waits = true;
      continue;
    }
    if (item.dataset["gone"] === undefined) signing = key;
    else void forget(key).catch(() => undefined); // it will never sign again
  }
  const ready = signing !== null;
  if (signing) offerApprovals(signing);
  for (const part of findAll("[data-this-phone], [data-ready]", section)) part.hidden = !ready;
  for (const part of findAll("[data-no-phone]", section)) part.hidden = ready || waits;
  section.removeAttribute("aria-busy"); // see pages.css
}
