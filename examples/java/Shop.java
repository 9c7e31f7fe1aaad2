import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.math.BigInteger;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublisher;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.AlgorithmParameters;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.security.Signature;
import java.security.spec.ECGenParameterSpec;
import java.security.spec.ECParameterSpec;
import java.security.spec.ECPoint;
import java.security.spec.ECPublicKeySpec;
import java.security.spec.PKCS8EncodedKeySpec;
import java.time.Duration;
import java.time.Instant;
import java.util.Arrays;
import java.util.Base64;
import java.util.UUID;
import java.util.concurrent.Executors;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A relying party in Java, with nothing but the JDK (17 or newer).
 *
 * <pre>
 * java Shop.java serve ADDRESS PORT    serves the key at /jwks and takes webhooks at /webhook
 * java Shop.java initiate FILE.pdf     prints the answer: signing_url, request_id, exchange_code
 * java Shop.java cancel REQUEST_ID     cancels, and tries again while that can help
 * </pre>
 *
 * The environment: SIGN_URL (base URL of the API), SIGN_KEYS (URL of the service's JWKS),
 * CLIENT_ID, KEY_FILE (private P-256 key, PEM, PKCS #8), FOLDER (of documents: ID.pdf as it was
 * uploaded, ID.signed.pdf as it was signed, and ID.code, the exchange code).
 */
class Shop {
    static final String KEY_ID = "key-1";
    static final String CLIENT_ID = System.getenv("CLIENT_ID");
    static final Path FOLDER = Path.of(System.getenv().getOrDefault("FOLDER", "."));
    static final HttpClient HTTP =
        HttpClient.newBuilder().connectTimeout(Duration.ofSeconds(10)).build();
    static byte[] keyFile; // DER
    static String serviceKeys = ""; // JWKS, cached until a token names a key that it lacks

    public static void main(String[] args) throws Exception {
        String pem = Files.readString(Path.of(System.getenv("KEY_FILE")));
        keyFile = Base64.getMimeDecoder().decode(pem.replaceAll("-----[^-]+-----", ""));
        String command = args.length > 0 ? args[0] : "";
        if (command.equals("serve") && args.length == 3) {
            serve(new InetSocketAddress(args[1], Integer.parseInt(args[2])));
        } else if (command.equals("initiate") && args.length == 2) {
            System.exit(initiate(Path.of(args[1])) ? 0 : 1);
        } else if (command.equals("cancel") && args.length == 2) {
            System.exit(cancel(args[1]) ? 0 : 1);
        } else {
            System.err.println("serve ADDRESS PORT, initiate FILE.pdf or cancel REQUEST_ID");
            System.exit(2);
        }
    }

    /** Makes a call with a new token, also when it is tried again. */
    static HttpResponse<String> call(
            String method, String path, String type, BodyPublisher body, String claims)
            throws Exception {
        long now = Instant.now().getEpochSecond();
        String payload = String.format(
            "{\"jti\":\"%s\",\"iat\":%d,\"exp\":%d,\"client_id\":%s,%s}",
            UUID.randomUUID(), now, now + 120, quote(CLIENT_ID), claims);
        return HTTP.send(HttpRequest.newBuilder(URI.create(System.getenv("SIGN_URL") + path))
            .timeout(Duration.ofSeconds(30)).header("Authorization", sign(payload))
            .header("Content-Type", type).method(method, body).build(), BodyHandlers.ofString());
    }

    static boolean initiate(Path file) throws Exception {
        byte[] document = Files.readAllBytes(file);
        HttpResponse<String> answer = call("POST", "/sign-requests", "application/octet-stream",
            BodyPublishers.ofByteArray(document),
            "\"doc_name\":" + quote(file.getFileName().toString())
            + ",\"sign_locations\":[{\"page\":1,\"x\":0.1,\"y\":0.1}]");
        if (answer.statusCode() == 200) {
            String id = text(answer.body(), "request_id");
            Files.write(fileOf(id, ".pdf"), document);
            Files.writeString(fileOf(id, ".code"), text(answer.body(), "exchange_code"));
        }
        System.out.println(answer.body().strip());
        return answer.statusCode() == 200;
    }

    /** Cancelling twice does no harm, so a lost answer is a reason to try again. */
    static boolean cancel(String id) throws Exception {
        long wait = 0;
        for (int n = 0; n < 8; n++) {
            Thread.sleep(wait * 1000);
            wait = Math.min(1L << n, 30);
            HttpResponse<String> answer;
            try {
                answer = call("POST", "/sign-requests/cancel", "application/json",
                    BodyPublishers.noBody(), "\"request_id\":" + quote(id)
                    + ",\"client_request\":" + quote(CLIENT_ID));
            } catch (IOException lost) {
                System.err.println(lost);
                continue;
            }
            System.out.println(answer.body().isBlank() ? "{}" : answer.body().strip());
            String code = String.valueOf(text(answer.body(), "error"));
            if (answer.statusCode() == 200 || code.equals("REQUEST_ALREADY_CANCELLED")) {
                return true;
            }
            long after = answer.headers().firstValueAsLong("Retry-After").orElse(wait);
            if (code.equals("ACTIVE_SESSION_ONGOING")) {
                wait = Math.min(after, wait); // the session may end early
            } else if (answer.statusCode() >= 500 || code.equals("TOO_MANY_REQUESTS")) {
                wait = after;
            } else {
                return false;
            }
        }
        return false;
    }

    static void serve(InetSocketAddress address) throws Exception {
        HttpServer server = HttpServer.create(address, 0);
        server.setExecutor(Executors.newCachedThreadPool());
        server.createContext("/jwks", exchange -> answer(exchange, 200, jwks()));
        server.createContext("/webhook", Shop::webhook);
        server.start();
        System.out.println(server.getAddress().getPort());
    }

    static void webhook(HttpExchange exchange) throws IOException {
        String claims;
        byte[] uploaded;
        try {
            byte[] body = exchange.getRequestBody().readNBytes(1 << 16);
            claims = verify(text(new String(body, StandardCharsets.UTF_8), "token"));
            uploaded = Files.readAllBytes(fileOf(text(claims, "request_id"), ".pdf"));
        } catch (Exception refused) {
            System.out.println("refused: " + refused);
            answer(exchange, 400, "{}");
            return;
        }
        answer(exchange, 200, "{}"); // within two seconds, so before the download
        download(claims, uploaded);
    }

    /** Returns another link to a signed document, for a link lives for two minutes. */
    static String anotherLink(String id) throws Exception {
        String path = "/sign-requests/" + URLEncoder.encode(id, StandardCharsets.UTF_8);
        String link = text(call("GET", path + "/signed-doc", "application/json",
            BodyPublishers.noBody(),
            "\"exchange_code\":" + quote(Files.readString(fileOf(id, ".code")))).body(),
            "signed_doc_url");
        if (link == null) {
            throw new IOException("the result has no link");
        }
        return link;
    }

    /** Downloads once: webhooks may come twice. Each further try takes another link. */
    static void download(String claims, byte[] uploaded) {
        String id = text(claims, "request_id");
        Path file = fileOf(id, ".signed.pdf");
        for (int n = 0; n < 3 && !Files.exists(file); n++) {
            try {
                Thread.sleep(n == 0 ? 0 : 1000);
                String link = n == 0 ? text(claims, "signed_doc_url") : anotherLink(id);
                HttpResponse<byte[]> answer = HTTP.send(HttpRequest.newBuilder(URI.create(link))
                        .timeout(Duration.ofSeconds(30)).build(), BodyHandlers.ofByteArray());
                byte[] signed = answer.body();
                // The signature is appended to the uploaded bytes, so they are the beginning.
                if (answer.statusCode() == 200 && signed.length > uploaded.length
                        && Arrays.equals(uploaded, Arrays.copyOf(signed, uploaded.length))) {
                    Files.write(file, signed, StandardOpenOption.CREATE_NEW);
                    System.out.println(claims);
                    return;
                }
                System.out.println("download: not the document that was uploaded");
            } catch (FileAlreadyExistsException twice) {
                return;
            } catch (Exception failed) {
                System.out.println("download: " + failed);
            }
        }
    }

    static String sign(String claims) throws GeneralSecurityException {
        PrivateKey key =
            KeyFactory.getInstance("EC").generatePrivate(new PKCS8EncodedKeySpec(keyFile));
        String header = "{\"alg\":\"ES256\",\"typ\":\"JWT\",\"kid\":\"" + KEY_ID + "\"}";
        String signed = base64(header.getBytes(StandardCharsets.UTF_8)) + "."
            + base64(claims.getBytes(StandardCharsets.UTF_8));
        Signature signature = Signature.getInstance("SHA256withECDSAinP1363Format");
        signature.initSign(key);
        signature.update(signed.getBytes(StandardCharsets.UTF_8));
        return signed + "." + base64(signature.sign());
    }

    /** Returns the claims of a webhook's token. */
    static String verify(String token) throws Exception {
        String[] parts = token.split("\\.", -1);
        String header = new String(bytes(parts[0]), StandardCharsets.UTF_8);
        if (parts.length != 3 || !"ES256".equals(text(header, "alg"))) {
            throw new GeneralSecurityException("not a token with ES256");
        }
        Signature signature = Signature.getInstance("SHA256withECDSAinP1363Format");
        signature.initVerify(serviceKey(text(header, "kid")));
        signature.update((parts[0] + "." + parts[1]).getBytes(StandardCharsets.UTF_8));
        if (!signature.verify(bytes(parts[2]))) {
            throw new GeneralSecurityException("the signature does not verify");
        }
        String claims = new String(bytes(parts[1]), StandardCharsets.UTF_8);
        long now = Instant.now().getEpochSecond();
        if (now > number(claims, "exp") + 10 || now < number(claims, "iat") - 10) {
            throw new GeneralSecurityException("the token is not valid now");
        }
        if (claims.contains("\"aud\"") && !CLIENT_ID.equals(text(claims, "aud"))) {
            throw new GeneralSecurityException("the token is for another party");
        }
        return claims;
    }

    /** Returns a key of the service, whose JWKS is fetched again for a new kid. */
    static synchronized PublicKey serviceKey(String kid) throws Exception {
        for (boolean fetched = false; ; fetched = true) {
            var jwk = Pattern.compile("\\{[^{}]*\\}").matcher(serviceKeys).results()
                .map(found -> found.group()).filter(k -> kid.equals(text(k, "kid"))).findFirst();
            if (jwk.isPresent()) {
                AlgorithmParameters p256 = AlgorithmParameters.getInstance("EC");
                p256.init(new ECGenParameterSpec("secp256r1"));
                ECPoint point = new ECPoint(new BigInteger(1, bytes(text(jwk.get(), "x"))),
                    new BigInteger(1, bytes(text(jwk.get(), "y"))));
                return KeyFactory.getInstance("EC").generatePublic(
                    new ECPublicKeySpec(point, p256.getParameterSpec(ECParameterSpec.class)));
            }
            if (fetched) {
                throw new GeneralSecurityException("no such key");
            }
            serviceKeys = HTTP.send(HttpRequest.newBuilder(URI.create(System.getenv("SIGN_KEYS")))
                .timeout(Duration.ofSeconds(5)).build(), BodyHandlers.ofString()).body();
        }
    }

    /** A key file ends with the public key: 4, x and y (RFC 5915, RFC 5480). */
    static String jwks() {
        int n = keyFile.length;
        if (keyFile[n - 65] != 4) {
            throw new IllegalStateException("KEY_FILE has no public key");
        }
        return String.format("{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"use\":\"sig\","
            + "\"alg\":\"ES256\",\"kid\":\"%s\",\"x\":\"%s\",\"y\":\"%s\"}]}", KEY_ID,
            base64(Arrays.copyOfRange(keyFile, n - 64, n - 32)),
            base64(Arrays.copyOfRange(keyFile, n - 32, n)));
    }

    static void answer(HttpExchange exchange, int status, String json) throws IOException {
        byte[] body = json.getBytes(StandardCharsets.UTF_8);
        exchange.getResponseHeaders().set("Content-Type", "application/json");
        exchange.sendResponseHeaders(status, body.length);
        try (exchange) {
            exchange.getResponseBody().write(body);
        }
    }

    static Path fileOf(String id, String suffix) {
        return FOLDER.resolve(Path.of(id).getFileName() + suffix);
    }

    static String base64(byte[] b) {
        return Base64.getUrlEncoder().withoutPadding().encodeToString(b);
    }

    static byte[] bytes(String base64) { return Base64.getUrlDecoder().decode(base64); }

    // The JDK has no JSON. Your program has a library for it; these methods read members of a few
    // known objects.

    /** Returns a member that is a text, or null. */
    static String text(String json, String name) {
        var found = Pattern.compile("\"" + name + "\"\\s*:\\s*\"((?:[^\"\\\\]|\\\\.)*)\"")
            .matcher(json);
        if (!found.find()) {
            return null;
        }
        return Pattern.compile("\\\\(?:u(\\p{XDigit}{4})|(.))").matcher(found.group(1)).replaceAll(
            c -> Matcher.quoteReplacement(c.group(1) == null ? c.group(2)
                : Character.toString(Integer.parseInt(c.group(1), 16))));
    }

    static long number(String json, String name) {
        var found = Pattern.compile("\"" + name + "\"\\s*:\\s*(\\d+)").matcher(json);
        if (!found.find()) {
            throw new IllegalArgumentException(name + " is missing");
        }
        return Long.parseLong(found.group(1));
    }

    static String quote(String text) {
        return '"' + text.replace("\\", "\\\\").replace("\"", "\\\"") + '"';
    }
}
