# Receives webhooks at PORT of this machine with the library jwt. KEYS is the URL of the service's
# JWKS, and STORE a folder: each document that was signed is stored there once, and each webhook
# adds a line to log.

require 'json'
require 'jwt'
require 'net/http'
require 'webrick'

store = ENV.fetch('STORE')
keys = lambda { |_| JSON.parse(Net::HTTP.get(URI(ENV.fetch('KEYS')))) }

server = WEBrick::HTTPServer.new(
  BindAddress: '127.0.0.1', Port: ENV.fetch('PORT'), AccessLog: [],
  Logger: WEBrick::Log.new($stderr, WEBrick::Log::WARN)
)
server.mount_proc '/' do |request, response|
  next if request.request_method != 'POST'

  line = 'again'
  begin
    claims, = JWT.decode(
      JSON.parse(request.body).fetch('token'), nil, true,
      algorithms: ['ES256'], jwks: keys, verify_iat: true, required_claims: %w[exp iat]
    )
    raise JWT::InvalidAudError, 'for another audience' if claims.key?('aud')

    file = File.join(store, File.basename(claims['request_id']) + '.pdf')
    unless File.exist?(file)
      pdf = Net::HTTP.get(URI(claims['signed_doc_url']))
      begin
        File.open(file, File::CREAT | File::EXCL | File::WRONLY) { |f| f.write(pdf) }
        line = 'handled'
      rescue Errno::EEXIST # another webhook was faster
      end
    end
  rescue JWT::DecodeError, JSON::ParserError, KeyError => e
    response.status = 400
    line = "refused: #{e.message}"
  end
  File.open(File.join(store, 'log'), 'a') { |f| f.puts line }
end
trap('TERM') { server.shutdown }
server.start
