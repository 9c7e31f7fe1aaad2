#!/usr/bin/env node
// A relying party in Node, with jose.
//
//     npm ci                        once, in this folder
//     shop.mjs serve ADDRESS PORT   serves the public key at /jwks and takes webhooks at /webhook
//     shop.mjs initiate FILE.pdf    prints the answer: signing_url, request_id, exchange_code
//     shop.mjs cancel REQUEST_ID    cancels, and tries again while that can help
//
// The environment: SIGN_URL (base URL of the API), SIGN_KEYS (URL of the service's JWKS), CLIENT_ID,
// KEY_FILE (private P-256 key, PKCS #8 in PEM), FOLDER (of documents: ID.pdf as it was uploaded,
// ID.signed.pdf as it was signed, and ID.code, the exchange code).
import { createPrivateKey, createPublicKey, randomUUID } from "node:crypto";
import { access, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { createRemoteJWKSet, exportJWK, jwtVerify, SignJWT } from "jose";

const { SIGN_URL, SIGN_KEYS, CLIENT_ID, KEY_FILE, FOLDER = "." } = process.env;
const key = createPrivateKey(await readFile(KEY_FILE));
const keyID = "key-1";

// Returns the status, the headers and the JSON of the answer; {} for an empty one.
async function call(path, type, body, claims, method = "POST") {
  const token = await new SignJWT({ ...claims, client_id: CLIENT_ID })
    .setProtectedHeader({ alg: "ES256", kid: keyID })
    .setJti(randomUUID()) // a new token for each call, also when it is tried again
    .setIssuedAt()
    .setExpirationTime("120s")
    .sign(key);
  const answer = await fetch(SIGN_URL + path, {
    method,
    body,
    headers: { Authorization: token, "Content-Type": type },
    redirect: "error",
    signal: AbortSignal.timeout(30_000),
  });
  return {
    status: answer.status,
    headers: answer.headers,
    json: JSON.parse((await answer.text()) || "{}"),
  };
}

async function initiate(file) {
  const pdf = await readFile(file);
  const { status, json } = await call("/sign-requests", "application/octet-stream", pdf, {
    doc_name: basename(file),
    sign_locations: [{ page: 1, x: 0.1, y: 0.1 }],
  });
  if (status === 200) {
    await writeFile(join(FOLDER, json.request_id + ".pdf"), pdf);
    await writeFile(join(FOLDER, json.request_id + ".code"), json.exchange_code, { mode: 0o600 });
  }
  console.log(JSON.stringify(json));
  return status === 200;
}

// Cancelling twice does no harm, so a lost answer is a reason to try again.
async function cancel(requestID, tries = 8) {
  for (let n = 0, wait = 0; n < tries; n++) {
    await sleep(wait * 1000);
    wait = Math.min(2 ** n, 30);
    let answer;
    try {
      answer = await call("/sign-requests/cancel", "application/json", undefined, {
        request_id: requestID,
        client_request: CLIENT_ID,
      });
    } catch (lost) {
      console.error(lost.cause ?? lost);
      continue;
    }
    const { status, headers, json } = answer;
    console.log(JSON.stringify(json));
    if (status === 200 || json.error === "REQUEST_ALREADY_CANCELLED") return true;
    const after = Number(headers.get("Retry-After")) || wait;
    if (json.error === "ACTIVE_SESSION_ONGOING") wait = Math.min(after, wait); // it may end early
    else if (status >= 500 || json.error === "TOO_MANY_REQUESTS") wait = after;
    else return false;
  }
  return false;
}

const serviceKeys = createRemoteJWKSet(new URL(SIGN_KEYS));

// Takes a webhook; throws if it is not genuine. The caller answers before the download is over.
async function webhook(body) {
  const { payload } = await jwtVerify(JSON.parse(body).token, serviceKeys, {
    algorithms: ["ES256"],
    clockTolerance: 10,
    requiredClaims: ["iat", "exp"],
  });
  if (payload.aud && ![payload.aud].flat().includes(CLIENT_ID)) throw new Error("not for us");
  const uploaded = await readFile(join(FOLDER, basename(payload.request_id) + ".pdf"));
  return { payload, uploaded };
}

// Returns another link to a signed document, for a link lives for two minutes.
async function anotherLink(requestID) {
  const code = await readFile(join(FOLDER, basename(requestID) + ".code"), "utf8");
  const path = `/sign-requests/${encodeURIComponent(requestID)}/signed-doc`;
  const { json } = await call(path, "application/json", undefined, { exchange_code: code }, "GET");
  if (!json.signed_doc_url) throw new Error(`no link: ${JSON.stringify(json)}`);
  return json.signed_doc_url;
}

// Downloads the document once: webhooks may come twice. Each further try takes another link.
async function download({ payload, uploaded }) {
  const file = join(FOLDER, basename(payload.request_id) + ".signed.pdf");
  if (await access(file).then(() => true, () => false)) return;
  for (let link, tries = 3; ; tries--, await sleep(1000)) {
    try {
      link = link ? await anotherLink(payload.request_id) : payload.signed_doc_url;
      const answer = await fetch(link, { signal: AbortSignal.timeout(30_000) });
      const signed = Buffer.from(await answer.arrayBuffer());
      // The signature is appended to the uploaded bytes, so they are the beginning.
      if (!answer.ok || !signed.subarray(0, uploaded.length).equals(uploaded)) {
        throw new Error(`download: ${answer.status}, or not the document that was uploaded`);
      }
      await writeFile(file, signed, { flag: "wx" });
      return console.log(JSON.stringify(payload));
    } catch (failed) {
      if (tries === 1 || failed.code === "EEXIST") throw failed;
    }
  }
}

function serve(address, port) {
  const server = createServer(async (request, response) => {
    const answer = (status, value) =>
      response.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify(value));
    if (request.method === "GET") {
      const jwk = await exportJWK(createPublicKey(key));
      return answer(200, { keys: [{ ...jwk, kid: keyID, use: "sig", alg: "ES256" }] });
    }
    let body = "";
    for await (const part of request) {
      if ((body += part).length > 65536) return answer(413, {});
    }
    try {
      const genuine = await webhook(body);
      answer(200, {});
      await download(genuine);
    } catch (refused) {
      console.log("refused:", refused.message);
      if (!response.headersSent) answer(400, {});
    }
  });
  server.listen(Number(port), address, () => console.log(server.address().port));
}

const [command, ...rest] = process.argv.slice(2);
if (command === "serve" && rest.length === 2) serve(...rest);
else if (command === "initiate" && rest.length === 1) process.exitCode = (await initiate(...rest)) ? 0 : 1;
else if (command === "cancel" && rest.length === 1) process.exitCode = (await cancel(...rest)) ? 0 : 1;
else {
  console.error("usage: shop.mjs serve ADDRESS PORT | initiate FILE.pdf | cancel REQUEST_ID");
  process.exitCode = 2;
}
