// An OpenID Connect provider that follows the FAPI 2.0 Security Profile and logs in one person without a question.
// Its argument is JSON: issuer, cert and key (files), client (id), jwks (URL of the client's keys), redirect (URI), account
// (claims of the person), encrypt.
import { createServer } from "node:https";
import { readFileSync } from "node:fs";
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { Provider } from "oidc-provider";

const setup = JSON.parse(process.argv[2]);
const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
const provider = new Provider(setup.issuer, {
  clients: [
    {
      client_id: setup.client,
      token_endpoint_auth_method: "private_key_jwt",
      token_endpoint_auth_signing_alg: "ES256",
      jwks_uri: setup.jwks,
      redirect_uris: [setup.redirect],
      response_types: ["code"],
      grant_types: ["authorization_code"],
      id_token_signed_response_alg: "ES256",
      dpop_bound_access_tokens: true,
      scope: "openid uinfin",
      ...(setup.encrypt && {
        id_token_encrypted_response_alg: "ECDH-ES+A256KW",
        id_token_encrypted_response_enc: "A256GCM",
      }),
    },
  ],
  jwks: { keys: [{ ...privateKey.export({ format: "jwk" }), alg: "ES256", use: "sig", kid: "1" }] },
  scopes: ["openid", "uinfin", "payments"], // the last one is not the client's
  claims: { openid: ["sub"], uinfin: Object.keys(setup.account), acr: null, auth_time: null },
  acrValues: ["urn:example:high"],
  conformIdTokenClaims: false, // the claims of the scopes are in the ID token
  enabledJWA: { idTokenEncryptionAlgValues: ["ECDH-ES+A256KW"] },
  clientAuthMethods: ["private_key_jwt"],
  cookies: { keys: [randomBytes(16).toString("hex")] },
  features: {
    devInteractions: { enabled: false },
    encryption: { enabled: true },
    fapi: { enabled: true, profile: "2.0" },
    dPoP: { enabled: true, nonceSecret: randomBytes(32), requireNonce: () => true },
    pushedAuthorizationRequests: { enabled: true, requirePushedAuthorizationRequests: true },
  },
  interactions: { url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
  ttl: { Session: 60, Grant: 60, Interaction: 60, IdToken: 60, AccessToken: 60 },
  findAccount: (_ctx, id) => ({ accountId: id, claims: () => ({ ...setup.account, sub: id }) }),
});

provider.use(async (ctx, next) => {
  if (!ctx.path.startsWith("/interaction/")) {
    return next();
  }
  const { params } = await provider.interactionDetails(ctx.req, ctx.res);
  const grant = new provider.Grant({ accountId: setup.account.sub, clientId: params.client_id });
  grant.addOIDCScope(params.scope);
  ctx.respond = false;
  await provider.interactionFinished(ctx.req, ctx.res, {
    login: { accountId: setup.account.sub, acr: "urn:example:high", amr: ["hwk"] },
    consent: { grantId: await grant.save() },
  });
});

const { hostname, port } = new URL(setup.issuer);
createServer({ key: readFileSync(setup.key), cert: readFileSync(setup.cert) }, provider.callback())
  .listen(port, hostname, () => console.log("listening"));
