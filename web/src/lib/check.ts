// The phone does not take the server's word for what it signs: it hashes the document itself.

import { messageDigest } from "./der";

/** What the phone was told about the document. */
export interface Claim {
  document_digest: string; // of the uploaded document, hex; its beginning is shown
  document_size: number;
  byte_range: number[];
  toBeSigned: Uint8Array;
}

/** The document is not what the phone is asked to sign. */
export class Mismatch extends Error {}

/**
 * Throws Mismatch unless file begins with the uploaded document, is covered by the signature from its first byte to its last but
 * for the empty room of the signature itself, and has the digest that is to be signed.
 */
export async function check(file: Uint8Array<ArrayBuffer>, claim: Claim): Promise<void> {
  const [start, before, after, rest] = claim.byte_range;
  if (start !== 0 || before === undefined || after === undefined || rest === undefined) throw new Mismatch("byte range");
  if (!(claim.document_size > 0 && claim.document_size <= before && before < after && after + rest === file.length)) {
    throw new Mismatch("byte range");
  }
  // Whatever is in the room is not signed, so there must be nothing in it.
  for (let i = before; i < after; i++) {
    const want = i === before ? 0x3c : i === after - 1 ? 0x3e : 0x30; // "<", ">", "0"
    if (file[i] !== want) throw new Mismatch("hole");
  }
  if (hex(await sha256(file.subarray(0, claim.document_size))) !== claim.document_digest) throw new Mismatch("document");
  const covered = new Uint8Array(before + rest);
  covered.set(file.subarray(0, before));
  covered.set(file.subarray(after), before);
  let asked: Uint8Array;
  try {
    asked = messageDigest(claim.toBeSigned);
  } catch (e) {
    throw new Mismatch(String(e));
  }
  if (hex(await sha256(covered)) !== hex(asked)) throw new Mismatch("digest");
}

async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
}

function hex(bytes: Uint8Array): string {
  return [...bytes].map((b) => b.toString(16).padStart(2, "0")).join("");
}
