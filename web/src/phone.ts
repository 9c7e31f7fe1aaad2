// The phone: enrolment, approval, and the list of devices.

import { startApproval } from "./approve";
import { startEnrolment } from "./enrol";
import { countDown } from "./lib/countdown";
import { menus } from "./lib/menu";
import { guardForms } from "./lib/forms";
import { Refusal } from "./lib/api";
import { type Act, confirm } from "./lib/confirm";
import { enrolled, forget, type PhoneKey, supported } from "./lib/key";
import { find, findAll, text } from "./lib/page";
import { Unverified } from "./lib/verify";
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
  offer("approve", "approved", key);
  offer("remove", "removed", key);
}

/** Shows the buttons of an act of this phone's key, in place of what a login does. */
function offer(act: Act, done: string, key: PhoneKey): void {
  for (const button of findAll<HTMLButtonElement>(`[data-${act}-phone]`)) {
    const id = button.dataset[`${act}Phone`] ?? "";
    const place = button.closest("[data-approval]") ?? document;
    for (const part of findAll("[data-by-login]", place)) part.hidden = true;
    for (const part of findAll("[data-by-key]", place)) part.hidden = false;
    button.addEventListener("click", () => {
      button.disabled = true;
      confirm(act, key, id).then(
        () => location.assign(`/phone/?${done}=${encodeURIComponent(id)}`),
        (e: unknown) => {
          button.disabled = false;
          const line = find("[data-approval-error]", place);
          if (!line) return;
          line.textContent = complaint(act, e);
          line.hidden = false;
        },
      );
    });
  }
}

function complaint(act: Act, e: unknown): string {
  if (e instanceof Unverified || (e instanceof Refusal && e.code === "USER_VERIFICATION_FAILED")) return text("confirm.unverified");
  if (e instanceof Refusal) return text(`${act}.phone.failed`, e.description || e.code);
  return text("enrol.network");
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
