# Net::SMTP of Perl's core, with the octets that it was given.
use strict;
use warnings;
use Net::SMTP;

my %trust = (SSL_ca_file => $ENV{CERTIFICATE});
my $smtp = Net::SMTP->new('localhost', Port => $ENV{PORT}, SSL => $ENV{TLS} ? 1 : 0, %trust) or die "no connection: $@";
$ENV{TLS} or $smtp->starttls(%trust) or die 'no STARTTLS: ' . $smtp->message;
$smtp->auth($ENV{LOGIN}, $ENV{PASSWORD}) or die 'no login: ' . $smtp->message;

open my $file, '<:raw', $ENV{MAIL} or die "no mail: $!";
my $mail = do { local $/; <$file> };
$mail =~ s/\r\n/\n/g;
$smtp->mail('shop@example.com') or die $smtp->message;
$smtp->to('reader@example.net') or die $smtp->message;
$smtp->data($mail) or die $smtp->message;
$smtp->quit;
