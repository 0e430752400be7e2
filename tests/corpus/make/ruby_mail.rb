# The gem `mail`, as Rails has it inside.
require 'mail'

def Socket.gethostname = 'client.example'

Mail.defaults do
  delivery_method :smtp, address: '127.0.0.1', port: ENV['PORT'].to_i, domain: 'client.example', enable_starttls_auto: false
end

def deliver(name, &shape)
  mail = Mail.new(charset: 'UTF-8', from: '"Shop, for books" <shop@example.com>', to: 'reader@example.net')
  mail.subject = 'Größe 42'
  mail.message_id = "<#{name}.42@example.com>"
  mail.smtp_envelope_to = ["#{name}@example.net"]
  mail.instance_eval(&shape)
  mail.deliver!
end

files = ENV['FILES']

deliver('ruby-text') { body "Größe 42\n" }
deliver('ruby-alternative') do
  text_part { body 'Größe 42' }
  html_part { content_type 'text/html; charset=UTF-8'; body '<p>Größe 42</p>' }
end
deliver('ruby-inline') do
  attachments.inline['logo.png'] = File.binread("#{files}/logo.png")
  attachments['Größe 42.pdf'] = File.binread("#{files}/offer.pdf")
  html_part { content_type 'text/html; charset=UTF-8'; body '<p>Größe 42</p>' }
end
