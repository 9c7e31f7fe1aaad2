// What a phone does for another phone of its person, or for itself.

import { post } from "./api";
import { decode, type PhoneKey, sign } from "./key";
import { assertOwner } from "./verify";

export type Act = "approve" | "remove";

const names: Record<Act, string> = { approve: "approval", remove: "removal" };

interface Challenge {
  to_be_signed: string;
  credential_id?: string; // the owner is verified by it
}

/**
 * Has a phone that waits approved, or a phone removed at once, by the key of one that can sign, which may remove itself.
 * Throws Unverified if the device does not recognise its owner.
 */
export async function confirm(act: Act, by: PhoneKey, phoneId: string): Promise<void> {
  const path = `/phone/api/${act}-phone`;
  const start = { phone_id: phoneId, by: by.phoneId };
  const { to_be_signed, credential_id } = await post<Challenge>(`${path}/start`, start);
  const message = decode(to_be_signed);
  // The key signs documents, too, so it signs nothing else than what names this act and these phones.
  const named = new TextEncoder().encode(`signet phone ${names[act]} v2\n${phoneId}\n${by.phoneId}\n`);
  if (!named.every((b, i) => message[i] === b)) throw new Error("the challenge is for something else");
  const assertion = credential_id ? await assertOwner(credential_id, message) : undefined;
  await post(path, { ...start, to_be_signed, proof: await sign(by, message), assertion });
}
