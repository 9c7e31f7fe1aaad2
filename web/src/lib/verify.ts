// The owner of the phone: WebAuthn asks for a fingerprint, a face or a PIN.

import { decode, encode } from "./key";

/** The person declined, or was not recognised. */
export class Unverified extends Error {}

/** True if this device can verify its owner. */
export async function verifies(): Promise<boolean> {
  try {
    return await PublicKeyCredential.isUserVerifyingPlatformAuthenticatorAvailable();
  } catch {
    return false;
  }
}

/** Makes a credential whose challenge and user handle are the digest of a message. Throws Unverified. */
export async function createCredential(message: Uint8Array<ArrayBuffer>, name: string): Promise<unknown> {
  const digest = await sha256(message);
  const credential = await ask(() =>
    navigator.credentials.create({
      publicKey: {
        challenge: digest,
        rp: { name: "Signet" },
        user: { id: digest, name, displayName: name },
        pubKeyCredParams: [
          { type: "public-key", alg: -7 }, // ES256
          { type: "public-key", alg: -257 }, // RS256, for Windows
        ],
        authenticatorSelection: { authenticatorAttachment: "platform", userVerification: "required", residentKey: "discouraged" },
        attestation: "none",
      },
    }),
  );
  const response = credential.response as AuthenticatorAttestationResponse;
  return json(credential, { attestationObject: text(response.attestationObject) });
}

/** Verifies the owner for one message. Throws Unverified. */
export async function assertOwner(credentialId: string, message: Uint8Array<ArrayBuffer>): Promise<unknown> {
  const challenge = await sha256(message);
  const credential = await ask(() =>
    navigator.credentials.get({
      publicKey: {
        challenge,
        allowCredentials: [{ type: "public-key", id: decode(credentialId), transports: ["internal"] }],
        userVerification: "required",
      },
    }),
  );
  const response = credential.response as AuthenticatorAssertionResponse;
  return json(credential, {
    authenticatorData: text(response.authenticatorData),
    signature: text(response.signature),
    userHandle: response.userHandle ? text(response.userHandle) : undefined,
  });
}

async function ask(call: () => Promise<Credential | null>): Promise<PublicKeyCredential> {
  let credential: Credential | null;
  try {
    credential = await call();
  } catch (e) {
    throw new Unverified(String(e));
  }
  if (!(credential instanceof PublicKeyCredential)) throw new Unverified();
  return credential;
}

function json(credential: PublicKeyCredential, response: Record<string, string | undefined>): unknown {
  return {
    id: credential.id,
    rawId: text(credential.rawId),
    type: credential.type,
    clientExtensionResults: {},
    response: { clientDataJSON: text(credential.response.clientDataJSON), ...response },
  };
}

function text(bytes: ArrayBuffer): string {
  return encode(new Uint8Array(bytes));
}

async function sha256(message: Uint8Array<ArrayBuffer>): Promise<ArrayBuffer> {
  return crypto.subtle.digest("SHA-256", message);
}
