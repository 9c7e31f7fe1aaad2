// Package config has the configuration of the program: [Config] lists every key with its meaning,
// [DecodeYAML] explains mistakes in files, [Config.Check] refuses what cannot work, and
// [Config.Risks] finds what works but is not safe. The package opens nothing: package app does.
package config

import (
	"net/netip"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/signet-sign/signet/internal/safehttp"
	"github.com/signet-sign/signet/internal/server"
	"github.com/signet-sign/signet/pades"
)

// Config is the configuration and its reference. Each key is also a flag (--session-lifetime) and
// an environment variable (SIGNET_SESSION_LIFETIME). Flags take precedence over the environment,
// and the environment over the file. Unknown keys are refused.
//
// A secret has a second key that ends in _file and names a file with the secret. One line break at
// the end of the file is ignored. $CREDENTIALS_DIRECTORY in its path is the folder of systemd's
// credentials.
type Config struct {
	// Path of the configuration file, if any. The command line sets it; it is not a key.
	File string `yaml:"-" kong:"-"`

	// Facts of the deployment that the database records again from this configuration: public_url,
	// signature_level, authority, audit_key, webhook_key. It is no key: the command line sets it.
	Change []string `yaml:"-" kong:"-"`

	// Keys that may have unsafe settings. The service logs each such setting when it starts.
	// Without this key it refuses them; docs/operating.md lists the refusals. The sandbox refuses
	// none.
	Unsafe List `yaml:"unsafe" help:"Start although these keys have unsafe settings." placeholder:"KEY,..."`

	// Address for browsers, phones and relying parties.
	Listen string `yaml:"listen" help:"Address to listen on." placeholder:"ADDR"`

	// Address of the control listener. Sandbox: tests look at requests, act as signers and move the
	// clock; loopback only. Service: health (/livez, /readyz), metrics (/metrics) and, with
	// ConsolePassword, the console; empty means none.
	Control string `yaml:"control" help:"Address of the control listener." placeholder:"ADDR"`

	// Password of the operators' console, at /console/ on the control listener, by HTTP Basic
	// authentication: at least 16 bytes. Operators choose their user names, which the trail
	// records. Empty means no console in the service, and no password in the sandbox. Keep Control
	// on an internal address, and behind TLS if others can read its traffic.
	ConsolePassword     string `yaml:"console_password"      help:"Password of the operators' console; empty: none."  placeholder:"PASSWORD" secret:""`
	ConsolePasswordFile string `yaml:"console_password_file" help:"File with the password of the operators' console." placeholder:"FILE"`

	// The sandbox only. Token for the control listener, of at least 16 bytes: programs send it as
	// bearer token, browsers as password. With it Control can be an address that other machines and
	// containers reach.
	ControlToken     string `yaml:"control_token"      help:"Sandbox: token for the control listener."     placeholder:"TOKEN" secret:""`
	ControlTokenFile string `yaml:"control_token_file" help:"File with the token of the control listener." placeholder:"FILE"`

	// OpenID Connect provider for operators, which gives each a session and a role. ConsoleURL is
	// the scheme, host and port at which operators reach the control listener; the redirect URI is
	// ConsoleURL and /console/login/callback. ConsoleRoleClaim is a claim of the ID token, a text
	// or a list, and ConsoleRoles says which role each of its values gives: group=viewer,
	// group=operator or group=admin. Viewers see everything but evidence, operators act on
	// requests, admins change relying parties and end sessions. With it, ConsolePassword is for the
	// first start, until the provider works: it makes an admin. Remove it then.
	ConsoleOIDCIssuer           string `yaml:"console_oidc_issuer"             help:"OpenID Connect issuer for operators."                                  placeholder:"URL"            name:"console-oidc-issuer"`
	ConsoleOIDCClientID         string `yaml:"console_oidc_client_id"          help:"Client id at the operators' issuer."                                   placeholder:"ID"             name:"console-oidc-client-id"`
	ConsoleOIDCClientSecret     string `yaml:"console_oidc_client_secret"      help:"Client secret at the operators' issuer."                               placeholder:"SECRET"         name:"console-oidc-client-secret"      secret:""`
	ConsoleOIDCClientSecretFile string `yaml:"console_oidc_client_secret_file" help:"File with the client secret at the operators' issuer."                 placeholder:"FILE"           name:"console-oidc-client-secret-file"`
	ConsoleOIDCScopes           List   `yaml:"console_oidc_scopes"             help:"Scopes to ask for beside openid."                                      placeholder:"SCOPE,..."      name:"console-oidc-scopes"                       default:"profile"`
	ConsoleOIDCProfile          string `yaml:"console_oidc_profile"            help:"As oidc_profile, for operators: fapi2 or plain."                                                    name:"console-oidc-profile"                      default:""        enum:"fapi2,plain,"`
	ConsoleOIDCEncrypted        bool   `yaml:"console_oidc_encrypted"          help:"Refuse ID tokens that are not encrypted."                                                           name:"console-oidc-encrypted"`
	ConsoleOIDCRoots            string `yaml:"console_oidc_roots"              help:"CA certificates for the operators' issuer, PEM."                       placeholder:"FILE"           name:"console-oidc-roots"`
	ConsoleURL                  string `yaml:"console_url"                     help:"URL under which operators reach the control listener."                 placeholder:"URL"            name:"console-url"`
	ConsoleRoleClaim            string `yaml:"console_role_claim"              help:"Claim with the groups or roles of operators."                                                                                                        default:"roles"`
	ConsoleRoles                List   `yaml:"console_roles"                   help:"Role that each value of the claim gives: VALUE=viewer|operator|admin." placeholder:"VALUE=ROLE,..."`

	// A change of a relying party's URLs, among them that of its keys, waits until a second admin
	// approves it. It needs ConsoleOIDCIssuer and no ConsolePassword, with which each admin could
	// have any name. Registering a new party, disabling and enabling need one admin.
	ConsoleFourEyes bool `yaml:"console_four_eyes" help:"A second admin approves changes of relying parties' URLs."`

	// Bearer token that opens /metrics. With a console the console's login opens it too; with
	// neither /metrics is open.
	MetricsToken     string `yaml:"metrics_token"      help:"Bearer token that opens /metrics."        placeholder:"TOKEN" secret:""`
	MetricsTokenFile string `yaml:"metrics_token_file" help:"File with the token that opens /metrics." placeholder:"FILE"`

	// Scheme, host and port at which Listen is reached from outside, without a path. Signing URLs,
	// download links, QR codes and certificates contain it. Sandbox: Listen by default, or
	// the machine's address in its network if Listen is all addresses.
	PublicURL string `yaml:"public_url" help:"Public URL of the service." placeholder:"URL"`

	// Addresses or networks (CIDR) of the proxies in front of the listeners, separated by commas as
	// a flag. The client's address in security events and limits is then the one in their header
	// X-Forwarded-For or Forwarded; a proxy has to remove the other one from what it passes on.
	// Headers from elsewhere are ignored.
	TrustedProxies List `yaml:"trusted_proxies" help:"Addresses or networks of the proxies in front." placeholder:"CIDR,..."`

	// TLS without a proxy: files with the certificate, followed by its chain, and with its private
	// key, both PEM. They are read again when they change. With ControlTLS the control listener
	// uses them too.
	TLSCertificate string `yaml:"tls_certificate" name:"tls-certificate" help:"File with the TLS certificate and its chain." placeholder:"FILE"`
	TLSKey         string `yaml:"tls_key"         name:"tls-key"         help:"File with the key of the TLS certificate."    placeholder:"FILE"`
	ControlTLS     bool   `yaml:"control_tls"     name:"control-tls"     help:"TLS on the control listener too."`

	// The sandbox only. https with a certificate for all names and addresses of this machine, which
	// an authority of the sandbox issues. Browsers on phones, which keep keys only for https pages,
	// are to trust its root: GET /sandbox-root.crt, in Data keys/sandbox-tls.crt.
	TLS bool `yaml:"tls" help:"Sandbox: https, with a certificate of the sandbox's own authority."`

	// TLS without a proxy, with a certificate for the host of PublicURL that an ACME authority
	// issues (RFC 8555): the URL of its directory, such as
	// https://acme-v02.api.letsencrypt.org/directory. Setting it agrees to the authority's terms.
	// The authority connects to port 443 of the host, which must lead to Listen (tls-alpn-01, RFC
	// 8737), or to port 80, which must lead to ListenHTTP (http-01). The key and the certificate
	// are in the folder acme of Data. ACMEEmail is the address for the authority's messages, and
	// ACMERoots a PEM file with the roots that the directory's own certificate may have instead of
	// those of the system.
	ACMEDirectory string `yaml:"acme_directory" name:"acme-directory" help:"Directory of an ACME authority for the TLS certificate." placeholder:"URL"`
	ACMEEmail     string `yaml:"acme_email"     name:"acme-email"     help:"Address for messages of the ACME authority."             placeholder:"ADDRESS"`
	ACMERoots     string `yaml:"acme_roots"     name:"acme-roots"     help:"PEM file with roots for the ACME directory."             placeholder:"FILE"`

	// Address of a listener, usually port 80, that sends browsers to PublicURL. With TLS only.
	ListenHTTP string `yaml:"listen_http" name:"listen-http" help:"Address that leads browsers to https." placeholder:"ADDR"`

	// Folder for the database, documents and keys. Back it up as a whole. Sandbox: a temporary
	// folder by default.
	Data string `yaml:"data" help:"Folder for database, documents and keys." placeholder:"DIR"`

	// Where private keys and secrets are. Empty or file: means files in Data, which KeysPassword
	// encrypts if it is set. pkcs11:token=LABEL?module-path=FILE means a token, such as a hardware
	// security module, whose PIN is KeysPassword: it makes the private keys and signs with them,
	// and encrypts the secrets, which stay in files. It needs a program that was built with the tag
	// pkcs11. awskms:, cloudkms:, azurekms: and tpmkms: mean the key management service of a cloud
	// or a TPM, which makes the private keys and signs with them; they need the program signet-kms.
	// Secrets are encrypted under KeysPassword, or with the key that decryption-key in the URI
	// names.
	Keys string `yaml:"keys" help:"Where keys are: file:, pkcs11:…, awskms:…, cloudkms:…, azurekms:… or tpmkms:…" placeholder:"URI"`

	// Where the files with keys and secrets, and those of the authority, are: data, a folder, or
	// database, which needs PostgreSQL and keys that are encrypted, by KeysPassword or as Keys
	// says. Then nodes with a bucket in Documents share no folder, and need none. It is decided
	// before the first start.
	KeyFiles string `yaml:"key_files" help:"Where the files with keys and the authority are: data or database." enum:"data,database," default:""`

	// Password of at least 16 bytes under which the files with keys and secrets are encrypted, or
	// PIN of the token. It is lost with everything that it protects.
	KeysPassword     string `yaml:"keys_password"      help:"Password of the files with keys, or PIN of the token." placeholder:"PASSWORD" secret:""`
	KeysPasswordFile string `yaml:"keys_password_file" help:"File with the password of the keys."                   placeholder:"FILE"`

	// Database URL: postgres://… ; empty means SQLite in Data.
	Database     string `yaml:"database"      help:"PostgreSQL URL; empty is SQLite in the data folder." placeholder:"URL"  secret:""`
	DatabaseFile string `yaml:"database_file" help:"File with the PostgreSQL URL."                       placeholder:"FILE"`

	// Password for Database and DatabaseListen, which must then have none.
	DatabasePassword     string `yaml:"database_password"      help:"Password for the PostgreSQL URLs."               placeholder:"PASSWORD" secret:""`
	DatabasePasswordFile string `yaml:"database_password_file" help:"File with the password for the PostgreSQL URLs." placeholder:"FILE"`

	// URL of the same database past a pooler in transaction mode, through which Database leads. A
	// few connections are made to it, for LISTEN and migrations.
	DatabaseListen     string `yaml:"database_listen"      help:"PostgreSQL URL past a pooler in transaction mode." placeholder:"URL"  secret:""`
	DatabaseListenFile string `yaml:"database_listen_file" help:"File with the PostgreSQL URL past a pooler."       placeholder:"FILE"`

	// Bucket of an S3 object store for the documents; empty is the folder documents in Data. The
	// URL is s3://BUCKET/PREFIX with these parameters: endpoint=https://HOST of a store that is not
	// AWS's, region=NAME, sse=AES256 or sse=aws:kms&kms_key_id=ID for encryption by the store. The
	// service only.
	Documents string `yaml:"documents" help:"Bucket for documents; empty is the data folder." placeholder:"s3://BUCKET/PREFIX?..."`

	// Access key id, a colon and secret access key for the bucket. Empty means the environment
	// (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY), the shared file of credentials
	// (AWS_SHARED_CREDENTIALS_FILE, AWS_PROFILE), and, on AWS, the role of the machine.
	DocumentsCredentials     string `yaml:"documents_credentials"      help:"Credentials for the bucket, as ID:SECRET." placeholder:"ID:SECRET" secret:""`
	DocumentsCredentialsFile string `yaml:"documents_credentials_file" help:"File with the credentials for the bucket." placeholder:"FILE"`

	// Relying parties, in addition to those that operators register in the console. A flag or
	// environment variable has the same list as YAML text.
	Parties PartyList `yaml:"parties" help:"Relying parties, as YAML." placeholder:"YAML"`

	// The sandbox only. The people who can log in and sign; six by default.
	Personas PersonaList `yaml:"personas" help:"YAML file with the sandbox's personas." placeholder:"FILE"`

	// The sandbox only. What goes wrong on purpose; docs/sandbox.md lists the faults. As a flag or
	// environment variable: the same list as YAML text.
	Faults FaultList `yaml:"faults" help:"Sandbox: faults to inject, as YAML." placeholder:"YAML"`

	// The sandbox only. Inject a low rate of every fault.
	Rehearsal bool `yaml:"rehearsal" help:"Sandbox: inject a low rate of every fault."`

	// The sandbox only. Seed of faults with a probability; 0 is another one at each start, which
	// the log has.
	FaultSeed uint64 `yaml:"fault_seed" help:"Sandbox: seed of faults with a probability." placeholder:"N"`

	// The sandbox only. Sign each new request after this time, as its intended signer if that is a
	// persona, else as the first persona, in the way that the persona's behaviour says. 0 means
	// that people sign. It includes AutoSignOnGet.
	AutoSign time.Duration `yaml:"auto_sign" help:"Sandbox: sign each new request after this time." placeholder:"2s"`

	// The sandbox only. Sign when a program, and not a browser, GETs the signing URL, send the
	// webhook, and redirect to the relying party, as MockPass does.
	AutoSignOnGet bool `yaml:"auto_sign_on_get" help:"Sandbox: sign when a program GETs the signing URL."`

	// Lifetime of a sign session, from Proceed to Sign until it times out without an answer from
	// the phone.
	SessionLifetime time.Duration `yaml:"session_lifetime" help:"Lifetime of a sign session." default:"180s"`

	// Show one QR code for a whole sign session instead of a new one every second, for automated
	// tests. An attacker can forward a picture of a static code to a victim.
	StaticQR bool `yaml:"static_qr" help:"Do not rotate the QR code (tests)."`

	// HTTP status of UNAUTHORIZED: 400, as for every other documented error, or 401.
	UnauthorizedStatus int `yaml:"unauthorized_status" help:"HTTP status of UNAUTHORIZED (400 or 401)." default:"400"`

	// Accept tokens without exp or with a jti that was used before.
	LenientTokens bool `yaml:"lenient_tokens" help:"Accept tokens without exp and with a jti used before."`

	// For the sandbox only. The public documentation does not say everything that the real service
	// refuses. In these cases "documented" accepts, to make development easy, and "real" refuses;
	// docs/moving-to-singpass.md lists them.
	// With "documented", the sandbox also fetches the JWKS of a relying party again for an unknown
	// kid and after a signature that does not verify.
	Strictness string `yaml:"strictness" help:"What the sandbox does if the real service may refuse: documented or real." default:"documented" enum:"documented,real,"`

	// Fetch a relying party's JWKS again if a token names a key that it lacks.
	RefetchUnknownKid bool `yaml:"refetch_unknown_kid" help:"Fetch a JWKS again for an unknown kid."`

	// Limits of each relying party and of all together, for each process; 0 means no limit. A call
	// beyond them is refused with 429 TOO_MANY_REQUESTS. Calls count after their token is verified;
	// bursts may have ten times the rate. Uploads count while they are in progress, with the size
	// that they announce.
	RatePerParty      int `yaml:"rate_per_party"       help:"Calls of one relying party per second; 0: no limit."          default:"100"`
	UploadsPerParty   int `yaml:"uploads_per_party"    help:"Uploads of one relying party in progress; 0: no limit."       default:"32"`
	Uploads           int `yaml:"uploads"              help:"Uploads of all relying parties in progress; 0: no limit."     default:"256"`
	UploadMiBPerParty int `yaml:"upload_mib_per_party" help:"MiB of one relying party's uploads in progress; 0: no limit." default:"128"  name:"upload-mib-per-party"`
	UploadMiB         int `yaml:"upload_mib"           help:"MiB of all uploads in progress; 0: no limit."                 default:"1024" name:"upload-mib"`

	// Limits of each listener in one process; 0 is no limit. Connections beyond them are closed at
	// once; trusted_proxies have only the limit of all. An event stream tells an open page of
	// changes; a page without one asks every few seconds.
	Connections           int `yaml:"connections"             help:"Connections to each listener; 0: no limit."        default:"8192"`
	ConnectionsPerAddress int `yaml:"connections_per_address" help:"Connections of one client address; 0: no limit."   default:"512"`
	StreamsPerAddress     int `yaml:"streams_per_address"     help:"Event streams of one client address; 0: no limit." default:"128"`

	// How often one person may log in, enrol a phone and begin a sign session, in a minute, each; 0
	// is no limit, which is the sandbox's default, whose personas many tests share. Beyond it the
	// answer is 429.
	RatePerPerson *int `yaml:"rate_per_person" help:"Logins, enrolments and sign sessions of one person per minute; 0: no limit (default: sandbox 0, service 20)." placeholder:"NUMBER"`

	// How many logins from one client address, or IPv6 network of 64 bits, may fail in a minute:
	// logins of signers at the identity provider, and those of operators, with wrong passwords of
	// the console, each. Beyond it no login from there is judged, and the answer is 429. 0 is no
	// limit, which is the sandbox's default.
	FailedLoginsPerAddress *int `yaml:"failed_logins_per_address" help:"Failed logins from one client address per minute; 0: no limit (default: sandbox 0, service 30)." placeholder:"NUMBER"`

	// Allow JWKS and webhook URLs with plain http, any port, and private addresses, for all relying
	// parties. A relying party can have this setting of its own, which is better where only some
	// are on the organisation's own network. Always on in the sandbox.
	AllowPrivate bool `yaml:"allow_private" help:"Allow http and private addresses for JWKS and webhooks."`

	// Calls of relying parties that the console shows, with their decoded tokens, their answers and
	// the reasons of refusals: none, refused or all. Empty means all in the sandbox and refused in
	// the service. Records are bounded in number and age, and contain no secret.
	RecordCalls string `yaml:"record_calls" help:"Record calls of relying parties: none, refused or all (default: sandbox all, service refused)." placeholder:"WHICH"`

	// Continue to send a failed webhook for two days after the contract's three attempts, with
	// growing pauses, for all relying parties. A relying party can also have this setting of its
	// own. A receiver that fails all the time is called less often, and after five days no more.
	WebhookLadder bool `yaml:"webhook_ladder" help:"Keep trying failed webhooks for two days."`

	// The organisation's OpenID Connect provider, for signers: an https URL without query and
	// fragment. Sandbox: its own.
	OIDCIssuer           string `yaml:"oidc_issuer"             help:"OpenID Connect issuer for signers."                   placeholder:"URL"`
	OIDCClientID         string `yaml:"oidc_client_id"          help:"Client id at the issuer."                             placeholder:"ID"`
	OIDCClientSecret     string `yaml:"oidc_client_secret"      help:"Client secret at the issuer."                         placeholder:"SECRET" secret:""`
	OIDCClientSecretFile string `yaml:"oidc_client_secret_file" help:"File with the client secret."                         placeholder:"FILE"             name:"oidc-client-secret-file"`
	OIDCUINClaim         string `yaml:"oidc_uin_claim"          help:"Path of the claim with the NRIC or FIN."                                             name:"oidc-uin-claim"          default:"uin"`
	OIDCNameClaim        string `yaml:"oidc_name_claim"         help:"Path of the claim with the name for the certificate."                                                               default:"name"`

	// Scopes that are asked for beside openid.
	OIDCScopes List `yaml:"oidc_scopes" name:"oidc-scopes" help:"Scopes to ask for beside openid." default:"profile" placeholder:"SCOPE,..."`

	// Without a client secret the client authenticates by its key (private_key_jwt), if the
	// provider offers that, and it pushes authorization requests and proves the possession of a key
	// (DPoP) if the provider offers these. With "fapi2" a provider that lacks one of them is
	// refused; "plain" does without all.
	OIDCProfile string `yaml:"oidc_profile" name:"oidc-profile" help:"How much of FAPI 2.0 logins need: fapi2 or plain (default: what the provider offers)." enum:"fapi2,plain," default:""`

	// Refuse ID tokens that are not encrypted for the client.
	OIDCEncrypted bool `yaml:"oidc_encrypted" name:"oidc-encrypted" help:"Refuse ID tokens that are not encrypted."`

	// PEM file with the CA certificates that the provider's TLS certificate is checked against;
	// empty is those of the system.
	OIDCRoots string `yaml:"oidc_roots" name:"oidc-roots" help:"CA certificates for the issuer, PEM." placeholder:"FILE"`

	// Authentication context classes that the provider is asked for, in order of preference
	// (acr_values). A login with another acr is refused. Empty is any.
	OIDCACRValues List `yaml:"oidc_acr_values" name:"oidc-acr-values" help:"acr values that logins must have, one of them." placeholder:"ACR,..."`

	// How long ago a person may have logged in at the provider (max_age); then the provider has to
	// ask again, and a login without a newer auth_time is refused. 0 is any.
	OIDCMaxAge time.Duration `yaml:"oidc_max_age" name:"oidc-max-age" help:"Longest time since the login at the provider." placeholder:"DURATION"`

	// Whether a phone asks for the owner's fingerprint, face or PIN (WebAuthn) for each signature,
	// and each time it approves or removes a phone: required, preferred (phones that can, from when
	// they are set up) or off. The sandbox's software phones never do.
	UserVerification string `yaml:"user_verification" help:"Verify the phone's owner for each signature: required, preferred or off." default:"preferred" enum:"required,preferred,off"`

	// How long a further phone of a person waits before it can sign, unless one of the person's
	// phones approves it, and how long a phone that its owner removes can still sign. The person's
	// phones and logins announce both and can stop them. 0 is no wait. Empty is 24 hours in the
	// service and 0 in the sandbox.
	PhoneDelay *time.Duration `yaml:"phone_delay" help:"Wait of a further phone that is not approved, and of removals (default: sandbox 0, service 24h)." placeholder:"DURATION"`

	// How many phones of a person can sign or wait at a time; 0 is no limit. Empty is 3 in the
	// service and 0 in the sandbox.
	PhoneLimit *int `yaml:"phone_limit" help:"Phones of one person; 0: no limit (default: sandbox 0, service 3)." placeholder:"NUMBER"`

	// PAdES level of signed documents: B-T, B-LT or B-LTA. A document with a lower level is never
	// released.
	SignatureLevel string `yaml:"signature_level" help:"PAdES level of signed documents (B-T, B-LT or B-LTA)." default:"B-LTA" enum:"B-T,B-LT,B-LTA"`

	// External timestamp authorities (RFC 3161 over HTTP), asked in this order with a timeout of 10
	// seconds each; empty means the built-in one. While none answers, a document waits and is
	// retried for SealTimeout. A flag or environment variable separates them by commas.
	TSAURLs List `yaml:"tsa_urls" name:"tsa-urls" help:"External timestamp authorities, in order of preference." placeholder:"URL,..."`

	// PEM file with the roots of the external timestamp authorities.
	TSARoots string `yaml:"tsa_roots" name:"tsa-roots" help:"PEM file with the roots of the timestamp authorities." placeholder:"FILE"`

	// Policy (OID) that is requested from external timestamp authorities and that their timestamps
	// must have; empty means their default.
	TSAPolicy string `yaml:"tsa_policy" name:"tsa-policy" help:"Policy that timestamps must have." placeholder:"OID"`

	// How long sealing of an approved document is retried while no timestamp authority answers. The
	// pauses between attempts grow to an hour. Then the request is stalled: the phone's signature
	// is kept, the log has an alarm, operators can seal the document again or abort, and the
	// relying party can cancel. The attempts end earlier if the phone's certificate ends.
	SealTimeout time.Duration `yaml:"seal_timeout" help:"How long to retry sealing an approved document." default:"24h"`

	// Kinds of content of an upload, separated by commas, or none: javascript, launch, open-action,
	// additional-action, rich-media, external-stream, differs-in-print, box-over-field,
	// changes-on-click, embedded-file, portfolio, optional-content, hidden-annotation, xfa,
	// empty-signature-field, certified-new-field, submit-form, reset-form, other-document,
	// unusual-link, web-link, menu-command. With one of RefuseContent the upload is refused; by
	// default these are the first nine, which execute or change what is seen. Those of WarnContent
	// the signer is shown before Proceed and on the phone; by default they are the rest without the
	// last two. What is found stands in the trail in any case.
	RefuseContent string `yaml:"refuse_content" help:"Kinds of content with which an upload is refused, separated by commas; none: no kind." placeholder:"KIND,..."`
	WarnContent   string `yaml:"warn_content"   help:"Kinds of content that the signer is warned of, separated by commas; none: no kind."    placeholder:"KIND,..."`

	// A visible signature lightens what is below its box, so that it and text below it can both be
	// read. Without, the document shows unchanged between the strokes. Documents that claim PDF/A
	// get none.
	SignatureBackground bool `yaml:"signature_background" help:"Lighten the document below visible signatures."`

	// The region whose forms the Han characters of signers' names have in visible signatures:
	// zh-Hans (mainland China, Singapore), zh-Hant (Taiwan, Hong Kong), ja or ko. A name that shows
	// its region, by kana, Hangul or characters that only one region uses, has that region's.
	HanForms string `yaml:"han_forms" help:"Forms of Han characters in names: zh-Hans, zh-Hant, ja or ko." default:"zh-Hans" enum:"zh-Hans,zh-Hant,ja,ko"`

	// The first signature of a document without signatures certifies it (DocMDP with /P 2): readers
	// object to changes other than further signatures and archive data. Readers disagree whether a
	// later signer may then add a new field (finding certified-new-field).
	Certify bool `yaml:"certify" help:"Certify documents that have no signature yet."`

	// Encrypt documents before they are stored, each with its own key, which is deleted with the
	// document. Documents that are stored already stay as they are, and readable. Empty encrypts if
	// this release or a later one has made the database. A release before this one cannot read
	// encrypted documents.
	EncryptDocuments *bool `yaml:"encrypt_documents" help:"Encrypt stored documents (default: if this release or a later one has made the database)." placeholder:"true|false"`

	// Name of the authority in certificates: "Signet" gives "Signet Root CA".
	AuthorityName string `yaml:"authority_name" help:"Name of the certificate authority." default:"Signet"`

	// Lifetime of the certificate of a signer's phone, at least one hour; the phone enrols again
	// after it. Short-lived certificates rarely need revocation. Signatures stay valid, because
	// they get a timestamp while the certificate is valid.
	SignerValidity time.Duration `yaml:"signer_validity" help:"Lifetime of signers' certificates." default:"8760h"`

	// What the serialNumber of signers' certificates holds beside the last four characters of the
	// NRIC or FIN. keyed: an HMAC, with a secret of the authority, which tells nothing to others.
	// compat: SHA-256, as in the real service's certificates; anyone can find the number from it.
	// Certificates that exist stay as they are.
	SignerSerial string `yaml:"signer_serial" help:"Hash in the serialNumber of signers' certificates (keyed or compat)." default:"keyed" enum:"keyed,compat"`

	// How long before the end of its newest timestamp's certificate a stored document of level
	// B-LTA gets another timestamp.
	RenewBefore time.Duration `yaml:"renew_before" help:"How long before their timestamp ends stored documents are renewed." default:"2160h"`

	// How many days are kept, after their end: signed requests; expired and cancelled ones; each
	// with trail, calls and documents; phones whose certificates have ended or that were removed;
	// changes of relying parties by operators; and records of calls. 0 is without an end. The
	// sandbox keeps everything but calls.
	RetainSignedDays   int `yaml:"retain_signed_days"   help:"Days to keep signed requests; 0: no end."                       default:"2557"`
	RetainUnsignedDays int `yaml:"retain_unsigned_days" help:"Days to keep expired and cancelled requests; 0: no end."        default:"365"`
	RetainPhonesDays   int `yaml:"retain_phones_days"   help:"Days to keep phones after their end; 0: no end."                default:"730"`
	RetainChangesDays  int `yaml:"retain_changes_days"  help:"Days to keep operators' changes of relying parties; 0: no end." default:"2557"`
	RetainCallsDays    int `yaml:"retain_calls_days"    help:"Days to keep records of calls; 0: no end."                      default:"90"`

	// How a stop waits. On SIGTERM the service is not ready any more; if a load balancer has asked
	// GET /readyz within the last minute it goes on for DrainDelay, so that the load balancer
	// notices. Then it takes nothing new, and lets uploads, other calls and sealings finish for up
	// to StopTimeout; 0 is 60 s.
	DrainDelay  time.Duration `yaml:"drain_delay"  help:"Serve for so long after the readiness has ended."         default:"5s"`
	StopTimeout time.Duration `yaml:"stop_timeout" help:"Let calls and sealings finish for so long before a stop." default:"60s"`

	// Base URL of a collector of traces, by OTLP over HTTP, such as http://127.0.0.1:4318. Empty
	// means that no traces are made, and that calls to others have no traceparent.
	OTLPEndpoint string `yaml:"otlp_endpoint" name:"otlp-endpoint" help:"Collector of traces (OTLP over HTTP); empty: none." placeholder:"URL"`

	// Form of the lines of the log: text (key=value) or json.
	LogFormat string `yaml:"log_format" help:"Form of the log's lines: text or json." default:"text" enum:"text,json,"`

	// debug, info, warn or error. With debug each HTTP request has a line, with the relying party,
	// the sign request and the outcome of a call.
	LogLevel string `yaml:"log_level" help:"debug, info, warn or error." default:"info" enum:"debug,info,warn,error"`
}

// StrictnessReal is the Strictness that refuses what the real service may refuse.
const StrictnessReal = "real"

// List is a list in the file, and a text with commas elsewhere.
type List []string

// UnmarshalText parses the text of a flag or environment variable, or the YAML list of the file.
func (l *List) UnmarshalText(text []byte) error {
	if list := []string{}; yaml.Unmarshal(text, &list) == nil {
		*l = list
		return nil
	}
	*l = nil
	for u := range strings.SplitSeq(string(text), ",") {
		if u = strings.TrimSpace(u); u != "" {
			*l = append(*l, u)
		}
	}
	return nil
}

// UnmarshalYAML parses the list.
func (l *List) UnmarshalYAML(node *yaml.Node) error {
	var list []string
	err := node.Decode(&list)
	*l = list
	return err
}

// Proxies is TrustedProxies, which check has read before.
func (c *Config) Proxies() []netip.Prefix {
	list, _ := server.ParseProxies(c.TrustedProxies)
	return list
}

// Policy returns the policy of outbound calls.
func (c *Config) Policy(timeout time.Duration) safehttp.Policy {
	return safehttp.Policy{AllowPrivate: c.AllowPrivate, Timeout: timeout}
}

// Level returns SignatureLevel as a pades.Level.
func (c *Config) Level() pades.Level {
	switch c.SignatureLevel {
	case "B-T":
		return pades.LevelT
	case "B-LT":
		return pades.LevelLT
	}
	return pades.LevelLTA
}
