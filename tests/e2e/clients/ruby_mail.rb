# The gem `mail`, as Rails has it inside. OpenSSL looks for what it trusts in SSL_CERT_FILE.
require 'mail'

Mail.defaults do
  delivery_method :smtp,
                  address: 'localhost', port: ENV['PORT'].to_i,
                  user_name: ENV['LOGIN'], password: ENV['PASSWORD'], authentication: :plain,
                  tls: !ENV['TLS'].empty?, enable_starttls: ENV['TLS'].empty?
end

mail = Mail.new do
  from    '"Shop, for books" <shop@example.com>'
  to      'reader@example.net'
  subject 'Größe 42'
  body    File.read(ENV['TEXT'], encoding: 'UTF-8')
  self.charset = 'UTF-8'
  add_file filename: 'Größe.csv', content: "a;b\n1;2\n"
end
mail.deliver!
File.binwrite(ENV['SENT'], mail.encoded)
