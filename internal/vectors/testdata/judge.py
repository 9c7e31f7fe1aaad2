"""Judges webhooks.json as a relying party in Python does, and the signatures of tokens.json.

Prints a line for each vector that it judges otherwise than the file says.
"""

import json
import sys

import jwt
from jwt.algorithms import ECAlgorithm

TOLERANCE = 10  # seconds


def keys_of(jwks):
    return {key["kid"]: (key["alg"], ECAlgorithm.from_jwk(key)) for key in jwks["keys"]}


def verified(token, keys):
    """The claims of a token that one of the keys has signed; times are not judged."""
    alg, key = keys[jwt.get_unverified_header(token)["kid"]]
    unjudged = {"verify_exp": False, "verify_iat": False, "verify_nbf": False, "verify_aud": False}
    return jwt.decode(token, key, algorithms=[alg], options=unjudged)


def genuine(body, keys, now, client_id):
    try:
        claims = verified(json.loads(body)["token"], keys)
        iat, exp = claims["iat"], claims["exp"]
        audience = claims.get("aud", client_id)
        return (
            client_id in (audience if isinstance(audience, list) else [audience])
            and claims["request_type"] == "signed_doc_url"
            and bool(claims["request_id"])
            and claims["signed_doc_url"].startswith(("https://", "http://"))
            and iat < exp
            and iat - TOLERANCE <= now <= exp + TOLERANCE
        )
    except (jwt.PyJWTError, KeyError, ValueError):
        return False


folder = sys.argv[1]
with open(folder + "/webhooks.json", encoding="utf-8") as file:
    webhooks = json.load(file)
keys = keys_of(webhooks["jwks"])
for vector in webhooks["webhooks"]:
    if genuine(vector["body"], keys, webhooks["now"], webhooks["client_id"]) != vector["accepted"]:
        print("webhook", vector["name"])

with open(folder + "/tokens.json", encoding="utf-8") as file:
    tokens = json.load(file)
keys = keys_of(tokens["jwks"])
for vector in tokens["tokens"]:
    if not vector["accepted"] and vector["check"] not in ("signature", "claims", "times"):
        continue  # the signature is not what is wrong
    try:
        verified(vector["authorization"], keys)
        right = True
    except jwt.InvalidSignatureError:
        right = False
    except jwt.PyJWTError:
        right = vector["check"] == "claims"  # which PyJWT reads before it says so
    if right != (vector["accepted"] or vector["check"] != "signature"):
        print("token", vector["name"])
