# Makes the calls that it reads with Net::HTTP, as its documentation shows, with its default headers,
# and writes the answers. A line has client, method, URL, token and file, which may be empty, between
# tabs; an answer has status and body.

require "net/http"

$stdout.sync = true
while (line = $stdin.gets)
  _, method, url, token, file = line.chomp.split("\t", -1)
  uri = URI(url)
  request = method == "GET" ? Net::HTTP::Get.new(uri) : Net::HTTP::Post.new(uri)
  request["Authorization"] = token
  unless file.empty?
    request["Content-Type"] = "application/octet-stream"
    request.body = File.binread(file)
  end
  answer = Net::HTTP.start(uri.hostname, uri.port) { |http| http.request(request) }
  puts "#{answer.code}\t#{answer.body.to_s.strip}"
end
