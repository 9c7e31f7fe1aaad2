<?php
// Receives webhooks, for `php -S HOST:PORT webhook.php`: with what comes with PHP and its extension
// openssl, because Debian packages no JWT library. KEYS is the URL of the service's JWKS, and STORE
// a folder: each document that was signed is stored there once, and each webhook adds a line to log.

function decoded(string $part): string
{
    return base64_decode(strtr($part, '-_', '+/'), true) ?: '';
}

// der returns r and s, 32 bytes each, as the two numbers of a DER sequence.
function der(string $rs): string
{
    $numbers = '';
    foreach (str_split($rs, 32) as $number) {
        $number = ltrim($number, "\0");
        if ($number === '' || ord($number[0]) > 127) {
            $number = "\0$number";
        }
        $numbers .= "\x02" . chr(strlen($number)) . $number;
    }
    return "\x30" . chr(strlen($numbers)) . $numbers;
}

// pem returns the public key on P-256 of a JWK.
function pem(array $jwk): string
{
    $prefix = '3059301306072a8648ce3d020106082a8648ce3d03010703420004';
    $key = hex2bin($prefix) . decoded($jwk['x']) . decoded($jwk['y']);
    return "-----BEGIN PUBLIC KEY-----\n" . chunk_split(base64_encode($key), 64, "\n") .
        "-----END PUBLIC KEY-----\n";
}

// verified returns the claims of a genuine token.
function verified(string $token): array
{
    $parts = explode('.', $token);
    if (count($parts) !== 3) {
        throw new Exception('not a compact JWS');
    }
    $header = json_decode(decoded($parts[0]), true, 8, JSON_THROW_ON_ERROR);
    $signature = decoded($parts[2]);
    if (($header['alg'] ?? '') !== 'ES256' || strlen($signature) !== 64) {
        throw new Exception('not signed with ES256');
    }
    $set = json_decode(file_get_contents(getenv('KEYS')), true, 8, JSON_THROW_ON_ERROR);
    foreach ($set['keys'] as $jwk) {
        if ($jwk['kid'] !== $header['kid'] || $jwk['crv'] !== 'P-256') {
            continue;
        }
        if (openssl_verify("$parts[0].$parts[1]", der($signature), pem($jwk), 'sha256') !== 1) {
            throw new Exception('the signature does not verify');
        }
        $claims = json_decode(decoded($parts[1]), true, 8, JSON_THROW_ON_ERROR);
        if ($claims['exp'] <= time() || isset($claims['aud'])) {
            throw new Exception('expired, or for another audience');
        }
        return $claims;
    }
    throw new Exception('signed with an unknown key');
}

if ($_SERVER['REQUEST_METHOD'] !== 'POST') {
    return;
}
$store = getenv('STORE');
try {
    $body = json_decode(file_get_contents('php://input'), true, 8, JSON_THROW_ON_ERROR);
    $claims = verified($body['token']);
    $file = "$store/" . basename($claims['request_id']) . '.pdf';
    $line = 'again';
    if (!file_exists($file)) {
        $pdf = file_get_contents($claims['signed_doc_url']);
        $new = @fopen($file, 'x'); // fails if another webhook was faster
        if ($new !== false && fwrite($new, $pdf) === strlen($pdf)) {
            $line = 'handled';
        }
    }
} catch (Throwable $problem) {
    http_response_code(400);
    $line = 'refused: ' . $problem->getMessage();
}
file_put_contents("$store/log", "$line\n", FILE_APPEND | LOCK_EX);
