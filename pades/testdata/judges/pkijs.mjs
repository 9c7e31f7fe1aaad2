// Judges signed PDFs with PKI.js (messages, timestamps, chains) and pdf.js (fields). Standard input: a file with the root's
// certificate in DER, then names of PDF files, one a line. For each file it prints one line: the numbers of valid PAdES
// signatures with a valid timestamp, of valid document timestamps, and of signature fields, or "error" and why.
//
// PDF files are taken apart by a regular expression and not by our parser, which is on trial too.
import { webcrypto } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

// pdf.js wants a newer Node than Debian's.
Promise.withResolvers ??= function () {
  let resolve, reject;
  const promise = new this((yes, no) => ([resolve, reject] = [yes, no]));
  return { promise, resolve, reject };
};

const require = createRequire(new URL("../../../web/package.json", import.meta.url));
const pkijs = require("pkijs");
const pdfjs = await import(pathToFileURL(require.resolve("pdfjs-dist/legacy/build/pdf.mjs")));
pdfjs.GlobalWorkerOptions.workerSrc = pathToFileURL(require.resolve("pdfjs-dist/legacy/build/pdf.worker.mjs")).href;
pkijs.setEngine("node", new pkijs.CryptoEngine({ name: "node", crypto: webcrypto }));

const STAMP = "1.2.840.113549.1.9.16.2.14"; // id-aa-timeStampToken

const buffer = (b) => b.buffer.slice(b.byteOffset, b.byteOffset + b.byteLength);

/** The DER element at the start of b, without the padding behind it. */
function element(b) {
  let size = b[1], head = 2;
  if (size >= 0x80) {
    head += size & 0x7f;
    size = b.subarray(2, head).reduce((n, octet) => n * 256 + octet, 0);
  }
  return b.subarray(0, head + size);
}

function parse(der) {
  const info = pkijs.ContentInfo.fromBER(buffer(der));
  return new pkijs.SignedData({ schema: info.content });
}

async function valid(signed, data, root) {
  const result = await signed.verify({ signer: 0, data: buffer(data), trustedCerts: [root], checkChain: true, extendedMode: true });
  return result.signatureVerified === true && result.signerCertificateVerified === true;
}

async function signature(signed, data, root) {
  if (!(await valid(signed, data, root))) return false;
  const signer = signed.signerInfos[0];
  const stamp = signer.unsignedAttrs?.attributes.find((a) => a.type === STAMP);
  if (!stamp) return false;
  const token = parse(new Uint8Array(stamp.values[0].toBER()));
  return valid(token, new Uint8Array(signer.signature.valueBlock.valueHexView), root);
}

async function fields(file) {
  const loading = pdfjs.getDocument({ data: new Uint8Array(file), verbosity: 0 });
  try {
    const all = await (await loading.promise).getFieldObjects();
    return [...(all?.values() ?? [])].flat().filter((f) => f.type === "signature").length;
  } finally {
    await loading.destroy();
  }
}

async function judge(file, root) {
  let signatures = 0, stamps = 0;
  const seen = new Set();
  for (const found of file.toString("latin1").matchAll(/\/ByteRange\s*\[\s*(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s*\]/g)) {
    const [a, b, c, d] = found.slice(1).map(Number);
    if (seen.has(found[0]) || c + d > file.length) continue;
    seen.add(found[0]);
    const data = Buffer.concat([file.subarray(a, a + b), file.subarray(c, c + d)]);
    const padded = Buffer.from(file.toString("latin1", a + b + 1, c - 1), "hex");
    try {
      const signed = parse(element(padded));
      if (signed.encapContentInfo.eContentType === pkijs.id_eContentType_TSTInfo) {
        if (await valid(signed, data, root)) stamps++;
      } else if (await signature(signed, data, root)) signatures++;
    } catch {
      // Such as an earlier signature by somebody else; it does not count.
    }
  }
  return `${signatures} ${stamps} ${await fields(file)}`;
}

let root;
for await (const name of createInterface({ input: process.stdin })) {
  const file = readFileSync(name);
  if (!root) {
    root = pkijs.Certificate.fromBER(buffer(file));
    continue;
  }
  try {
    console.log(await judge(file, root));
  } catch (e) {
    console.log(`error ${String(e).replaceAll("\n", " ")}`);
  }
}
