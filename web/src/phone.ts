// The phone: enrolment, approval, and the list of devices.

import { startApproval } from "./approve";
import { startEnrolment } from "./enrol";
import { countDown } from "./lib/countdown";
import { guardForms } from "./lib/forms";
import { enrolled, supported } from "./lib/key";
import { find, findAll } from "./lib/page";
import { startScan } from "./scan";

guardForms();
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

/** The server does not know which of a person's devices is looking: the key does. */
async function markThisPhone(): Promise<void> {
  const section = find("[data-phones]");
  if (!section) return;
  let mine: string[] = [];
  try {
    if (supported()) mine = (await enrolled()).map((k) => k.phoneId);
  } catch {
    // No storage: then this device is not one of them.
  }
  let ready = false;
  for (const item of findAll("[data-phone-id]", section)) {
    const here = mine.includes(item.dataset["phoneId"] ?? "");
    const tag = find("[data-here]", item);
    if (tag) tag.hidden = !here;
    if (here && !item.querySelector(".tag-bad")) ready = true;
  }
  const yes = find("[data-this-phone]", section);
  const no = find("[data-no-phone]", section);
  if (yes) yes.hidden = !ready;
  if (no) no.hidden = ready;
}
