// The phone's signing key: ECDSA P-256, made here and not extractable, kept in
// IndexedDB. The browser hands out signatures, never the key.

export interface PhoneKey {
  /** Local number of the record. */
  id?: number;
  /** The server's name of the device; "" until it has been enrolled. */
  phoneId: string;
  name: string;
  subject: string;
  createdAt: number;
  key: CryptoKeyPair;
}

const algorithm: EcKeyGenParams = { name: "ECDSA", namedCurve: "P-256" };

/** True if this browser can make and keep a key. */
export function supported(): boolean {
  return isSecureContext && typeof indexedDB !== "undefined" && typeof crypto?.subtle?.generateKey === "function";
}

/** Makes a key and keeps it, not enrolled yet. */
export async function create(name: string): Promise<PhoneKey> {
  const pair = (await crypto.subtle.generateKey(algorithm, false, ["sign", "verify"])) as CryptoKeyPair;
  const record: PhoneKey = { phoneId: "", name, subject: "", createdAt: Date.now(), key: pair };
  record.id = await run<IDBValidKey>("readwrite", (s) => s.add(record)) as number;
  // Without this a browser that is short of space may drop the key.
  void navigator.storage?.persist?.().catch(() => false);
  return record;
}

export async function save(record: PhoneKey): Promise<void> {
  await run("readwrite", (s) => s.put(record));
}

export async function forget(record: PhoneKey): Promise<void> {
  const id = record.id;
  if (id !== undefined) await run("readwrite", (s) => s.delete(id));
}

/** The enrolled keys, newest first. */
export async function enrolled(): Promise<PhoneKey[]> {
  const all = await run<PhoneKey[]>("readonly", (s) => s.getAll() as IDBRequest<PhoneKey[]>);
  return all.filter((k) => k.phoneId !== "").sort((a, b) => b.createdAt - a.createdAt);
}

/** Signs with ECDSA P-256 and SHA-256: r || s, base64url. */
export async function sign(record: PhoneKey, message: Uint8Array<ArrayBuffer>): Promise<string> {
  const signature = await crypto.subtle.sign({ name: "ECDSA", hash: "SHA-256" }, record.key.privateKey, message);
  return encode(new Uint8Array(signature));
}

export async function publicKey(record: PhoneKey): Promise<JsonWebKey> {
  const { kty, crv, x, y } = await crypto.subtle.exportKey("jwk", record.key.publicKey);
  return { kty: kty ?? "EC", crv: crv ?? "P-256", x: x ?? "", y: y ?? "" };
}

export function encode(bytes: Uint8Array): string {
  let s = "";
  for (const b of bytes) s += String.fromCharCode(b);
  return btoa(s).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}

export function decode(text: string): Uint8Array<ArrayBuffer> {
  const s = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
  const bytes = new Uint8Array(s.length);
  for (let i = 0; i < s.length; i++) bytes[i] = s.charCodeAt(i);
  return bytes;
}

function open(): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open("signet-phone", 1);
    request.onupgradeneeded = () => request.result.createObjectStore("keys", { keyPath: "id", autoIncrement: true });
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error("IndexedDB"));
    request.onblocked = () => reject(new Error("IndexedDB is blocked"));
  });
}

/** One request in one transaction; resolves when the transaction is durable. */
async function run<T>(mode: IDBTransactionMode, action: (store: IDBObjectStore) => IDBRequest<T> | IDBRequest): Promise<T> {
  const db = await open();
  try {
    return await new Promise<T>((resolve, reject) => {
      const tx = db.transaction("keys", mode);
      const request = action(tx.objectStore("keys"));
      tx.oncomplete = () => resolve(request.result as T);
      tx.onerror = tx.onabort = () => reject(tx.error ?? new Error("IndexedDB"));
    });
  } finally {
    db.close();
  }
}
