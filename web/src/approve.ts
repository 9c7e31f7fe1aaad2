// Approval: check and show what is to be signed, sign it once, say plainly when it
// is too late.

import { bytes, post, Refusal, Unreachable } from "./lib/api";
import { check, Mismatch } from "./lib/check";
import { left } from "./lib/countdown";
import { showDocument } from "./lib/document";
import { decode, enrolled, type PhoneKey, sign, supported } from "./lib/key";
import { Live, type State } from "./lib/live";
import { assertOwner, Unverified } from "./lib/verify";
import { announce, find, findAll, now, text } from "./lib/page";
import { type Step, steps } from "./lib/steps";

interface Challenge {
  relying_party: string;
  document_name: string;
  document_digest: string;
  document_size: number;
  byte_range: number[];
  match_code: string;
  pages: number;
  places: number;
  session_ends_at: number;
  to_be_signed: string;
  credential_id?: string; // the owner is verified by it
}

export async function startApproval(root: HTMLElement): Promise<void> {
  await new Approval(root).start();
}

class Approval {
  private readonly api: string;
  private key: PhoneKey | null = null;
  private challenge: Challenge | null = null;
  private signature = ""; // made once: sent again as it is after a lost answer
  private assertion: unknown; // that the owner was verified; like the signature
  private busy = false;
  private answered = false;
  private live: Live | null = null;
  private file: Uint8Array<ArrayBuffer> | null = null; // what is to be signed, once it has been checked
  private shown = false; // by the viewer

  constructor(private readonly root: HTMLElement) {
    this.api = root.dataset["api"] ?? "";
    for (const button of findAll("[data-do]", root)) {
      button.addEventListener("click", () => {
        const what = button.dataset["do"];
        if (what === "approve") void this.answer(button, "approve");
        else if (what === "reject") void this.answer(button, "reject");
        else location.reload();
      });
    }
    find("[data-view]", root)?.addEventListener("click", (e) => this.view(e.currentTarget as HTMLElement));
    setInterval(() => this.tick(), 500);
  }

  async start(): Promise<void> {
    const first = this.root.dataset["first"];
    if (first) {
      this.answered = true; // the person's part is over, and the page says how
      if (first === "approved") this.follow();
      this.goBack();
      return;
    }
    let keys: PhoneKey[] = [];
    if (!supported()) return this.show("UNSUPPORTED");
    try {
      keys = await enrolled();
    } catch {
      return this.show("UNSUPPORTED");
    }
    if (keys.length === 0) {
      location.replace(this.root.dataset["enrolUrl"] ?? "/phone/enrol");
      return;
    }
    try {
      await this.fetch(keys);
    } catch (e) {
      // If the session has ended since it was asked, the page says how already, and the document is refused for that.
      if (this.shows("loading") ?? this.shows("ask")) this.fail(e);
    }
  }

  // A device may hold keys of several people; the server knows whose this is.
  private async fetch(keys: PhoneKey[]): Promise<void> {
    let refusal: unknown;
    for (const key of keys) {
      try {
        this.challenge = await post<Challenge>(`${this.api}/challenge`, { phone_id: key.phoneId });
        this.key = key;
        break;
      } catch (e) {
        if (!(e instanceof Refusal) || e.code !== "PHONE_NOT_ENROLLED") throw e;
        refusal = e;
      }
    }
    if (!this.challenge) throw refusal;
    this.fill(this.challenge);
    this.show("ask");
    this.follow();
    await this.verify(this.challenge);
  }

  private follow(): void {
    this.live = new Live(`${this.api}/events`, `${this.api}/state`, (s) => this.changed(s));
  }

  /** Nothing can be approved before this phone has seen for itself what it signs. */
  private async verify(c: Challenge): Promise<void> {
    const file = await bytes(`${this.api}/prepared`);
    try {
      await check(file, { ...c, toBeSigned: decode(c.to_be_signed) });
    } catch (e) {
      if (!(e instanceof Mismatch)) throw e;
      this.live?.stop();
      this.answered = true;
      this.show("MISMATCH");
      return;
    }
    this.file = file;
    for (const line of findAll("[data-check-when]", this.root)) line.hidden = line.dataset["checkWhen"] !== "checked";
    for (const b of findAll<HTMLButtonElement>("[data-view], [data-do=approve]", this.root)) b.disabled = false;
  }

  /** Shows the very bytes that were checked. */
  private view(button: HTMLElement): void {
    const box = find("#prepared", this.root);
    const root = box && find("[data-viewer]", box);
    if (!box || !root || !this.file) return;
    box.hidden = !box.hidden;
    button.setAttribute("aria-expanded", String(!box.hidden));
    button.dataset["label"] ??= button.textContent ?? "";
    button.textContent = box.hidden ? button.dataset["label"] : text("view.hide");
    if (box.hidden) return;
    box.scrollIntoView(); // it begins below the answer on a small screen
    if (this.shown) return;
    this.shown = true;
    const file = this.file;
    void showDocument(root, file).catch(() => undefined); // the viewer says so itself
  }

  /** A signer who came from the portal in this browser is led back to it, which knows how it went. */
  private goBack(): void {
    const portal = this.root.dataset["return"];
    if (!portal || (this.shows("approved") ?? this.shows("signed")) === null) return;
    setTimeout(() => location.replace(portal), 1500);
  }

  private fill(c: Challenge): void {
    const set = (selector: string, value: string): void => {
      const field = find(selector, this.root);
      if (field) field.textContent = value;
    };
    set("[data-match]", c.match_code);
    set("[data-match-spoken]", [...c.match_code].join(" "));
    set("[data-party]", c.relying_party);
    set("[data-document]", c.document_name);
    set("[data-digest]", group(c.document_digest.slice(0, 16)));
    const many = c.places === 1 ? "one" : "many";
    set("[data-size]", c.pages === 1 ? text(`size.page.${many}`, c.places) : text(`size.${many}`, c.places, c.pages));
    for (const line of findAll("[data-text]", this.root)) {
      line.textContent = (line.dataset["text"] ?? "").replace("{0}", c.relying_party);
    }
    this.tick();
  }

  private tick(): void {
    const field = find("[data-left]", this.root);
    if (!field || !this.challenge) return;
    field.textContent = left(this.challenge.session_ends_at, "seconds");
    // The server judges the time; the buttons only spare a useless try.
    if (this.challenge.session_ends_at <= now() && !this.busy) this.live?.check();
  }

  private async answer(button: HTMLElement, what: "approve" | "reject"): Promise<void> {
    if (this.busy || this.answered || !this.key || !this.challenge) return;
    if (what === "approve" && !this.file) return;
    this.setBusy(true, button);
    announce(text(what === "approve" ? "approving" : "rejecting"));
    try {
      if (what === "approve") {
        const message = decode(this.challenge.to_be_signed);
        if (this.challenge.credential_id) this.assertion ??= await assertOwner(this.challenge.credential_id, message);
        this.signature ||= await sign(this.key, message);
        await post(`${this.api}/approve`, { signature: this.signature, assertion: this.assertion });
      } else {
        await post(`${this.api}/reject`, {});
      }
      this.answered = true;
      if (what === "reject") this.live?.stop();
      this.show(what === "approve" ? "approved" : "rejected");
      this.goBack();
    } catch (e) {
      if (e instanceof Unreachable) this.complain(text("approve.network"));
      else if (e instanceof Unverified) this.complain(text("approve.unverified"));
      else if (e instanceof Refusal && e.code === "USER_VERIFICATION_FAILED") {
        this.assertion = undefined;
        this.complain(text("approve.unverified"));
      }
      else this.fail(e);
    } finally {
      this.setBusy(false, button);
      this.live?.check(); // what came meanwhile was not looked at
    }
  }

  private setBusy(busy: boolean, button: HTMLElement): void {
    this.busy = busy;
    button.classList.toggle("busy", busy);
    for (const b of findAll<HTMLButtonElement>("[data-do=approve], [data-do=reject]", this.root)) {
      b.setAttribute("aria-disabled", String(busy));
    }
    if (busy) this.complain("");
  }

  /** What another device, the relying party or the clock did meanwhile. */
  private changed(s: State): void {
    if (this.busy) return;
    if (this.answered) return this.sealed(s);
    switch (s.state) {
      case "cancelled":
        return this.show("REQUEST_CANCELLED");
      case "expired":
        return this.show("REQUEST_EXPIRED");
      case "sealing":
      case "signed":
        if (!this.signature) return this.show("OTHER_PHONE");
        // The answer to our approval was lost.
        this.answered = true;
        this.show(s.state === "signed" ? "signed" : "approved");
        return this.goBack();
      case "session":
        if (this.challenge && s.session_ends_at && s.session_ends_at !== this.challenge.session_ends_at) {
          this.show("REPLACED");
        }
        return;
      default:
        this.show(endings[s.outcome] ?? "NO_ACTIVE_SESSION");
    }
  }

  /** What became of our approval. */
  private sealed(s: State): void {
    if (s.state === "signed") this.show("signed");
    else if (s.state === "cancelled") this.show("REQUEST_CANCELLED");
    else if (s.state !== "session" && s.state !== "sealing" && s.outcome === "failed") this.show("FAILED"); // else it is an earlier session's
  }

  private fail(e: unknown): void {
    if (e instanceof Unreachable) return this.show("OFFLINE");
    if (!(e instanceof Refusal)) return this.show("GENERAL");
    if (e.status === 401) {
      location.reload(); // the server asks for a login first
      return;
    }
    this.show(e.code === "SIGNING_IN_PROGRESS" ? "OTHER_PHONE" : (steps.find((s) => s === e.code) ?? "GENERAL"));
  }

  private complain(message: string): void {
    const box = find("[data-approve-error]", this.root);
    const line = box && find("p", box);
    if (!box || !line) return;
    line.textContent = message;
    box.hidden = message === "";
  }

  private shows(step: Step): HTMLElement | null {
    return find(`[data-step="${step}"]:not([hidden])`, this.root);
  }

  private show(step: Step): void {
    for (const s of findAll("[data-step]", this.root)) {
      const visible = s.dataset["step"] === step;
      if (visible && s.hidden) {
        s.hidden = false;
        const heading = find("h1", s);
        if (heading) {
          heading.setAttribute("tabindex", "-1");
          heading.focus();
        }
      } else {
        s.hidden = !visible;
      }
    }
  }
}

/** What to show for the way in which a session ended. */
const endings: Record<string, Step> = { rejected: "rejected", timed_out: "TIMED_OUT", left: "LEFT", failed: "FAILED" };

/** "4f3a 90c1": easier to compare. */
function group(hex: string): string {
  return hex.replace(/(.{4})(?=.)/g, "$1 ");
}
