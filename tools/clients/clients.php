<?php
// Makes the calls that it reads, each with the HTTP client of PHP that it names, and writes the
// answers. Each client is used as its documentation shows, with its default headers. A line has
// client, method, URL, token and file, which may be empty, between tabs; an answer has status and
// body.

function of_curl(string $method, string $url, array $headers, ?string $pdf): array
{
    $call = curl_init($url);
    curl_setopt_array($call, [CURLOPT_RETURNTRANSFER => true, CURLOPT_HTTPHEADER => $headers]);
    if ($method === 'POST') {
        // Without fields curl sends no body; with an empty string it adds the type of a form.
        curl_setopt_array($call, [CURLOPT_POST => true, CURLOPT_POSTFIELDS => $pdf ?? '']);
    }
    $body = curl_exec($call);
    return [curl_getinfo($call, CURLINFO_RESPONSE_CODE), $body === false ? curl_error($call) : $body];
}

function of_streams(string $method, string $url, array $headers, ?string $pdf): array
{
    $body = file_get_contents($url, false, stream_context_create(['http' => [
        'method' => $method, 'header' => $headers, 'content' => $pdf ?? '', 'ignore_errors' => true,
    ]]));
    return [(int) explode(' ', $http_response_header[0])[1], $body];
}

$clients = ['curl' => 'of_curl', 'streams' => 'of_streams'];
while (($line = fgets(STDIN)) !== false) {
    [$client, $method, $url, $token, $file] = explode("\t", rtrim($line, "\n"));
    $headers = ["Authorization: $token"];
    if ($file !== '') {
        $headers[] = 'Content-Type: application/octet-stream';
    }
    [$status, $body] = $clients[$client](
        $method, $url, $headers, $file === '' ? null : file_get_contents($file),
    );
    echo $status, "\t", trim($body), "\n";
}
