import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import okhttp3.MediaType;
import okhttp3.OkHttpClient;
import okhttp3.Request;
import okhttp3.RequestBody;
import org.apache.http.client.methods.RequestBuilder;
import org.apache.http.entity.ByteArrayEntity;
import org.apache.http.impl.client.CloseableHttpClient;
import org.apache.http.impl.client.HttpClients;
import org.apache.http.util.EntityUtils;

/**
 * Makes the calls that it reads, each with the Java library that it names, and writes the answers. A
 * line has client, method, URL, token and file, which may be empty, between tabs; an answer has
 * status and body.
 */
class Libraries {
	public static void main(String[] args) throws Exception {
		OkHttpClient ok = new OkHttpClient();
		try (CloseableHttpClient apache = HttpClients.createDefault()) {
			BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
			for (String line; (line = in.readLine()) != null; ) {
				String[] c = line.split("\t", -1);
				byte[] pdf = c[4].isEmpty() ? null : Files.readAllBytes(Path.of(c[4]));
				String answer = c[0].equals("OkHttp") ? ok(ok, c, pdf) : apache(apache, c, pdf);
				System.out.println(answer.replace("\n", ""));
			}
		}
		ok.dispatcher().executorService().shutdown();
		ok.connectionPool().evictAll();
	}

	static String ok(OkHttpClient client, String[] c, byte[] pdf) throws Exception {
		Request.Builder r = new Request.Builder().url(c[2]).header("Authorization", c[3]);
		if (c[1].equals("POST")) {
			MediaType type = pdf == null ? null : MediaType.parse("application/octet-stream");
			r.post(RequestBody.create(type, pdf == null ? new byte[0] : pdf));
		}
		try (var answer = client.newCall(r.build()).execute()) {
			return answer.code() + "\t" + answer.body().string();
		}
	}

	static String apache(CloseableHttpClient client, String[] c, byte[] pdf) throws Exception {
		RequestBuilder r = RequestBuilder.create(c[1]).setUri(c[2]).addHeader("Authorization", c[3]);
		if (pdf != null) {
			r.addHeader("Content-Type", "application/octet-stream").setEntity(new ByteArrayEntity(pdf));
		}
		try (var answer = client.execute(r.build())) {
			var body = answer.getEntity();
			String text = body == null ? "" : EntityUtils.toString(body, StandardCharsets.UTF_8);
			return answer.getStatusLine().getStatusCode() + "\t" + text;
		}
	}
}
