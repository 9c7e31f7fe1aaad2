// Makes the calls that it reads, each with the HTTP client that it names, and writes the answers. Each
// client is used as its documentation shows, with its default headers. A line has client, method, URL,
// token and file, which may be empty, between tabs; an answer has status and body.
import { readFile } from 'node:fs/promises'
import http from 'node:http'
import { createInterface } from 'node:readline'
import axios from 'axios'
import got from 'got'
import nodeFetch from 'node-fetch'
import { request as undici } from 'undici'

const octets = { 'Content-Type': 'application/octet-stream' }

// fetching returns a client with the interface of fetch.
const fetching = (fetch) => async ({ method, url, token, pdf }) => {
	const headers = { Authorization: token, ...(pdf && octets) }
	const r = await fetch(url, { method, headers, body: pdf })
	return [r.status, await r.text()]
}

const clients = {
	fetch: fetching(fetch),
	'node-fetch': fetching(nodeFetch),
	async undici({ method, url, token, pdf }) {
		const r = await undici(url, { method, headers: { Authorization: token, ...(pdf && octets) }, body: pdf })
		return [r.statusCode, await r.body.text()]
	},
	async axios({ method, url, token, pdf }) {
		const options = { headers: { Authorization: token, ...(pdf && octets) } }
		try {
			const r = method === 'GET' ? await axios.get(url, options) : await axios.post(url, pdf, options)
			return [r.status, r.data]
		} catch (e) {
			if (!e.response) throw e
			return [e.response.status, e.response.data]
		}
	},
	// {} is what many send where a body is asked for
	async 'axios {}'({ method, url, token, pdf }) {
		const r = await axios({ method, url, data: pdf ?? {}, headers: { Authorization: token, ...(pdf && octets) }, validateStatus: null })
		return [r.status, r.data]
	},
	async got({ method, url, token, pdf }) {
		const r = await got(url, { method, headers: { Authorization: token, ...(pdf && octets) }, body: pdf, throwHttpErrors: false })
		return [r.statusCode, r.body]
	},
	http: ({ method, url, token, pdf }) =>
		new Promise((resolve, reject) => {
			const r = http.request(url, { method, headers: { Authorization: token, ...(pdf && octets) } }, (answer) => {
				let text = ''
				answer.on('data', (part) => (text += part)).on('end', () => resolve([answer.statusCode, text]))
			})
			r.on('error', reject)
			if (pdf) r.write(pdf) // without a length: it is sent in chunks
			r.end()
		}),
}

for await (const line of createInterface({ input: process.stdin })) {
	const [client, method, url, token, file] = line.split('\t')
	try {
		const [status, body] = await clients[client]({ method, url, token, pdf: file ? await readFile(file) : undefined })
		console.log(`${status}\t${(typeof body === 'string' ? body : JSON.stringify(body)).trim()}`)
	} catch (e) {
		console.log(`0\t${e}`)
	}
}
