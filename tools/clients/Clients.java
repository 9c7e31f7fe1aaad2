import java.io.BufferedReader;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.net.HttpURLConnection;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * Makes the calls that it reads, each with the HTTP client of the JDK that it names, and writes the
 * answers. A line has client, method, URL, token and file, which may be empty, between tabs; an
 * answer has status and body.
 */
class Clients {
	public static void main(String[] args) throws Exception {
		HttpClient client = HttpClient.newHttpClient();
		BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
		for (String line; (line = in.readLine()) != null; ) {
			String[] c = line.split("\t", -1);
			byte[] pdf = c[4].isEmpty() ? null : Files.readAllBytes(Path.of(c[4]));
			String answer = c[0].equals("HttpClient") ? modern(client, c, pdf) : old(c, pdf);
			System.out.println(answer.replace("\n", ""));
		}
	}

	static String modern(HttpClient client, String[] c, byte[] pdf) throws Exception {
		HttpRequest.Builder r = HttpRequest.newBuilder(URI.create(c[2])).header("Authorization", c[3]);
		if (pdf != null) {
			r.header("Content-Type", "application/octet-stream").POST(BodyPublishers.ofByteArray(pdf));
		} else if (c[1].equals("POST")) {
			r.POST(BodyPublishers.noBody());
		}
		var answer = client.send(r.build(), BodyHandlers.ofString());
		return answer.statusCode() + "\t" + answer.body();
	}

	/** HttpURLConnection adds the type of a form to a POST. */
	static String old(String[] c, byte[] pdf) throws Exception {
		var r = (HttpURLConnection) URI.create(c[2]).toURL().openConnection();
		r.setRequestMethod(c[1]);
		r.setRequestProperty("Authorization", c[3]);
		if (c[1].equals("POST")) {
			r.setDoOutput(true);
			if (pdf != null) r.setRequestProperty("Content-Type", "application/octet-stream");
			try (var out = r.getOutputStream()) {
				out.write(pdf == null ? new byte[0] : pdf);
			}
		}
		InputStream text = r.getResponseCode() < 400 ? r.getInputStream() : r.getErrorStream();
		return r.getResponseCode() + "\t" + new String(text.readAllBytes(), StandardCharsets.UTF_8);
	}
}
