// Calls of the phone's own API.

/** A refusal of the server, by its code. */
export class Refusal extends Error {
  constructor(
    readonly code: string,
    readonly description: string,
    readonly status: number,
  ) {
    super(description || code);
  }
}

/** The server could not be reached, or did not answer in time. */
export class Unreachable extends Error {}

const answerTimeout = 20_000;

/** Fetches bytes; throws Refusal or Unreachable. */
export async function bytes(url: string): Promise<Uint8Array<ArrayBuffer>> {
  let answer: Response;
  try {
    answer = await fetch(url, { cache: "no-store", redirect: "error" });
    if (answer.ok) return new Uint8Array(await answer.arrayBuffer());
  } catch {
    throw new Unreachable();
  }
  const e = (await answer.json().catch(() => ({}))) as { error?: string; error_description?: string };
  if (answer.status >= 502 && !e.error) throw new Unreachable();
  throw new Refusal(e.error ?? "GENERAL", e.error_description ?? "", answer.status);
}

/** Posts JSON; throws Refusal or Unreachable. */
export async function post<T>(url: string, body: unknown): Promise<T> {
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), answerTimeout);
  let answer: Response;
  let raw: string;
  try {
    answer = await fetch(url, {
      method: "POST",
      headers: { "Content-Type": "application/json", Accept: "application/json" },
      body: JSON.stringify(body),
      signal: stop.signal,
      redirect: "error",
    });
    raw = await answer.text();
  } catch {
    throw new Unreachable();
  } finally {
    clearTimeout(timer);
  }
  let value: unknown = {};
  try {
    value = raw ? JSON.parse(raw) : {};
  } catch {
    if (answer.ok) throw new Refusal("GENERAL", "", answer.status);
  }
  if (!answer.ok) {
    const e = value as { error?: string; error_description?: string };
    if (answer.status >= 502 && !e.error) throw new Unreachable();
    throw new Refusal(e.error ?? "GENERAL", e.error_description ?? "", answer.status);
  }
  return value as T;
}

const promptTimeout = 2000; // milliseconds

/** Gets JSON that is due at once. Without an answer within two seconds it fails, as it does without a connection. */
export async function getSoon(url: string): Promise<Response> {
  const limit = new AbortController();
  const timer = setTimeout(() => limit.abort(), promptTimeout);
  try {
    const answer = await fetch(url, { headers: { Accept: "application/json" }, cache: "no-store", signal: limit.signal });
    const body = await answer.text(); // may stall as well
    return new Response(body, { status: answer.status });
  } finally {
    clearTimeout(timer);
  }
}
