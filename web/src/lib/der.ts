// Just enough DER (ITU-T X.690) to read the digest out of CMS signed attributes.

/** One element: its tag and its content. */
interface Element {
  tag: number;
  content: Uint8Array;
}

/** The elements that lie one after the other in bytes; throws if they do not fill it exactly. */
function elements(bytes: Uint8Array): Element[] {
  const found: Element[] = [];
  for (let at = 0; at < bytes.length; ) {
    const tag = bytes[at++] ?? 0;
    let length = bytes[at++] ?? 0x80; // a missing length is refused below
    if (length >= 0x80) {
      const octets = length - 0x80;
      if (octets < 1 || octets > 3) throw new Error("DER: length");
      length = 0;
      for (let i = 0; i < octets; i++) length = length * 256 + (bytes[at++] ?? 0);
    }
    if (at + length > bytes.length) throw new Error("DER: too short");
    found.push({ tag, content: bytes.subarray(at, at + length) });
    at += length;
  }
  return found;
}

const set = 0x31;
const sequence = 0x30;
const oid = 0x06;
const octetString = 0x04;
const messageDigestOID = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x04]; // 1.2.840.113549.1.9.4

/** The message digest in DER signed attributes (RFC 5652, section 11.2): there must be exactly one. */
export function messageDigest(attributes: Uint8Array): Uint8Array {
  const outer = elements(attributes);
  if (outer.length !== 1 || outer[0]?.tag !== set) throw new Error("DER: not a set of attributes");
  const digests: Uint8Array[] = [];
  for (const attribute of elements(outer[0].content)) {
    if (attribute.tag !== sequence) throw new Error("DER: not an attribute");
    const [type, values, ...more] = elements(attribute.content);
    if (type?.tag !== oid || values?.tag !== set || more.length > 0) throw new Error("DER: not an attribute");
    if (type.content.length !== messageDigestOID.length || !messageDigestOID.every((b, i) => type.content[i] === b)) continue;
    for (const value of elements(values.content)) {
      if (value.tag !== octetString) throw new Error("DER: not a digest");
      digests.push(value.content);
    }
  }
  const [digest] = digests;
  if (!digest || digests.length !== 1) throw new Error("DER: not one digest");
  return digest;
}
