# Email::Sender, with a message of Email::Simple.
use strict;
use warnings;
use Email::Sender::Simple qw(sendmail);
use Email::Sender::Transport::SMTP;
use Email::Simple;

open my $file, '<:raw', $ENV{TEXT} or die "no text: $!";
my $text = do { local $/; <$file> };
my $mail = Email::Simple->create(
    header => [
        From => 'shop@example.com',
        To => 'reader@example.net',
        Subject => '=?utf-8?q?Gr=C3=B6=C3=9Fe?= 42',
        'Content-Type' => 'text/plain; charset=utf-8',
        'Content-Transfer-Encoding' => '8bit',
    ],
    body => $text,
);
open my $sent, '>:raw', $ENV{SENT} or die "no place: $!";
print $sent $mail->as_string;
close $sent;

my $transport = Email::Sender::Transport::SMTP->new(
    host => 'localhost',
    port => $ENV{PORT},
    ssl => $ENV{TLS} ? 'ssl' : 'starttls',
    ssl_options => { SSL_ca_file => $ENV{CERTIFICATE} },
    sasl_username => $ENV{LOGIN},
    sasl_password => $ENV{PASSWORD},
);
sendmail($mail, { transport => $transport });
