"""Makes the calls that it reads, each with the HTTP client that it names, and writes the answers.

Each client is used as its documentation shows, with its default headers. A line has client, method,
URL, token and file, which may be empty, between tabs; an answer has status and body.
"""

import asyncio
import http.client
import sys
import urllib.error
import urllib.parse
import urllib.request

import aiohttp
import httpx
import requests


def of_urllib(method, url, headers, pdf):
    # urllib posts only with data, to which it adds the type of a form.
    data = pdf if pdf is not None or method == "GET" else b""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, headers)) as r:
            return r.status, r.read().decode()
    except urllib.error.HTTPError as e:
        return e.code, e.read().decode()


def of_http_client(method, url, headers, pdf):
    u = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(u.netloc)
    connection.request(method, u.path, pdf, headers)
    r = connection.getresponse()
    return r.status, r.read().decode()


def of_requests(method, url, headers, pdf):
    r = requests.get(url, headers=headers) if method == "GET" else requests.post(url, data=pdf, headers=headers)
    return r.status_code, r.text


def of_requests_json(method, url, headers, pdf):
    if method == "GET" or pdf is not None:
        return of_requests(method, url, headers, pdf)
    r = requests.post(url, json={}, headers=headers)
    return r.status_code, r.text


def of_httpx(method, url, headers, pdf):
    r = httpx.request(method, url, content=pdf, headers=headers)
    return r.status_code, r.text


def of_aiohttp(method, url, headers, pdf):
    async def call():
        async with aiohttp.ClientSession() as session:
            async with session.request(method, url, data=pdf, headers=headers) as r:
                return r.status, await r.text()

    return asyncio.run(call())


CLIENTS = {
    "urllib": of_urllib,
    "http.client": of_http_client,
    "requests": of_requests,
    "requests {}": of_requests_json,
    "httpx": of_httpx,
    "aiohttp": of_aiohttp,
}

for line in sys.stdin:
    client, method, url, token, file = line.rstrip("\n").split("\t")
    headers, pdf = {"Authorization": token}, None
    if file:
        headers["Content-Type"] = "application/octet-stream"
        with open(file, "rb") as f:
            pdf = f.read()
    try:
        status, body = CLIENTS[client](method, url, headers, pdf)
    except Exception as e:  # the test reports it
        status, body = 0, repr(e)
    print(status, body.strip(), sep="\t", flush=True)
