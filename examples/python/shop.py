#!/usr/bin/python3
"""A relying party in Python, with PyJWT and cryptography.

Debian has them as python3-jwt and python3-cryptography.

    shop.py serve ADDRESS PORT    serves the public key at /jwks and takes webhooks at /webhook
    shop.py initiate FILE.pdf     prints the answer: signing_url, request_id, exchange_code
    shop.py cancel REQUEST_ID     cancels, and tries again while that can help

The environment: SIGN_URL (base URL of the API), SIGN_KEYS (URL of the service's JWKS), CLIENT_ID,
KEY_FILE (private P-256 key, PEM), FOLDER (of documents: ID.pdf as it was uploaded, ID.signed.pdf as
it was signed, and ID.code, the exchange code).
"""
import base64
import http.client
import http.server
import json
import os
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid

import jwt
from cryptography.hazmat.primitives.serialization import load_pem_private_key

with open(os.environ["KEY_FILE"], "rb") as f:
    KEY = load_pem_private_key(f.read(), None)
CLIENT_ID = os.environ["CLIENT_ID"]
KEY_ID = "key-1"
FOLDER = os.environ.get("FOLDER", ".")
SERVICE_KEYS = jwt.PyJWKClient(os.environ["SIGN_KEYS"])  # cached, and fetched again for a new kid


def call(path, content_type, body, method="POST", **claims):
    """Returns the status, the headers and the JSON of the answer; {} for an empty one."""
    now = int(time.time())
    # A new token for each call, also when it is tried again.
    claims |= {"jti": str(uuid.uuid4()), "iat": now, "exp": now + 120, "client_id": CLIENT_ID}
    token = jwt.encode(claims, KEY, "ES256", headers={"kid": KEY_ID})
    headers = {"Authorization": token, "Content-Type": content_type}
    request = urllib.request.Request(os.environ["SIGN_URL"] + path, body, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.headers, json.loads(answer.read() or "{}")
    except urllib.error.HTTPError as refusal:
        return refusal.code, refusal.headers, json.loads(refusal.read() or "{}")


def initiate(file):
    with open(file, "rb") as f:
        document = f.read()
    status, _, answer = call("/sign-requests", "application/octet-stream", document,
                             doc_name=os.path.basename(file),
                             sign_locations=[{"page": 1, "x": 0.1, "y": 0.1}])
    if status == 200:
        name = os.path.join(FOLDER, answer["request_id"])
        with open(name + ".pdf", "wb") as f:
            f.write(document)
        with open(os.open(name + ".code", os.O_WRONLY | os.O_CREAT, 0o600), "w") as f:
            f.write(answer["exchange_code"])
    print(json.dumps(answer))
    return status == 200


def cancel(request_id, tries=8):
    """Cancelling twice does no harm, so a lost answer is a reason to try again."""
    for n in range(tries):
        if n:
            time.sleep(wait)
        wait = min(2 ** n, 30)
        try:
            status, headers, answer = call("/sign-requests/cancel", "application/json", None,
                                           request_id=request_id, client_request=CLIENT_ID)
        except (OSError, ValueError) as lost:  # ValueError: a proxy's page in place of JSON
            print(lost, file=sys.stderr)
            continue
        print(json.dumps(answer), flush=True)
        code = answer.get("error")
        if status == 200 or code == "REQUEST_ALREADY_CANCELLED":
            return True
        after = int(headers.get("Retry-After", wait))
        if code == "ACTIVE_SESSION_ONGOING":
            wait = min(after, wait)  # the session may end early
        elif status >= 500 or code == "TOO_MANY_REQUESTS":
            wait = after
        else:
            return False
    return False


def another_link(request_id):
    """Returns another link to a signed document, for a link lives for two minutes."""
    with open(os.path.join(FOLDER, os.path.basename(request_id) + ".code")) as f:
        code = f.read()
    _, _, answer = call(f"/sign-requests/{urllib.parse.quote(request_id, safe='')}/signed-doc",
                        "application/json", None, method="GET", exchange_code=code)
    return answer["signed_doc_url"]


def download(claims, uploaded):
    """Downloads once: webhooks may come twice. Each further try takes another link."""
    file = os.path.join(FOLDER, os.path.basename(claims["request_id"]) + ".signed.pdf")
    for wait in 0, 1, 1:
        time.sleep(wait)
        if os.path.exists(file):
            return
        try:
            link = another_link(claims["request_id"]) if wait else claims["signed_doc_url"]
            with urllib.request.urlopen(link, timeout=30) as answer:
                signed = answer.read()
        except (OSError, ValueError, KeyError, http.client.HTTPException) as failed:
            print("download:", failed, flush=True)
            continue
        # The signature is appended to the uploaded bytes, so they are the beginning.
        if signed.startswith(uploaded):
            with open(file, "xb") as f:
                f.write(signed)
            print(json.dumps(claims), flush=True)
            return
        print("download: not the document that was uploaded", flush=True)


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        public = KEY.public_key().public_numbers()
        # 32 octets each, also with leading zeros (RFC 7518, 6.2.1.2), which PyJWT 2.6 leaves out.
        x, y = (base64.urlsafe_b64encode(n.to_bytes(32, "big")).decode().rstrip("=")
                for n in (public.x, public.y))
        self.answer(200, {"keys": [{"kty": "EC", "crv": "P-256", "x": x, "y": y,
                                    "kid": KEY_ID, "use": "sig", "alg": "ES256"}]})

    def do_POST(self):
        body = self.rfile.read(min(int(self.headers["Content-Length"]), 1 << 16))
        try:
            token = json.loads(body)["token"]
            key = SERVICE_KEYS.get_signing_key_from_jwt(token).key
            claims = jwt.decode(token, key, ["ES256"], leeway=10,
                                options={"require": ["iat", "exp"]})
            name = os.path.basename(claims["request_id"]) + ".pdf"
            with open(os.path.join(FOLDER, name), "rb") as f:
                uploaded = f.read()
        except (ValueError, KeyError, TypeError, OSError, jwt.PyJWTError) as refused:
            print("refused:", refused, flush=True)
            return self.answer(400, {})
        self.answer(200, {})  # within two seconds, so before the download
        download(claims, uploaded)

    def answer(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", len(body))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["serve", address, port]:
            server = http.server.ThreadingHTTPServer((address, int(port)), Handler)
            print(server.server_port, flush=True)
            server.serve_forever()
        case ["initiate", file]:
            sys.exit(not initiate(file))
        case ["cancel", request_id]:
            sys.exit(not cancel(request_id))
        case _:
            sys.exit(__doc__)
