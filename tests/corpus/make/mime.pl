# Perl: Email::MIME, MIME::Entity (MIME-tools) and MIME::Lite, sent by Net::SMTP.
use strict;
use warnings;
use utf8;
use Email::MIME;
use MIME::Entity;
use MIME::Lite;
use Net::SMTP;

my ($files, $port) = @ENV{qw(FILES PORT)};

sub octets {
    open my $file, '<:raw', "$files/$_[0]" or die "no file: $!";
    local $/;
    return <$file>;
}

sub send_as {
    my ($name, $content) = @_;
    $content =~ s/\r?\n/\r\n/g;
    my $smtp = Net::SMTP->new('127.0.0.1', Port => $port, Hello => 'client.example') or die "no server: $!";
    $smtp->mail('shop@example.com');
    $smtp->to("$name\@example.net");
    $smtp->data;
    $smtp->datasend($content);
    $smtp->dataend;
    $smtp->quit;
}

my @who = (From => 'shop@example.com', To => 'reader@example.net');
my $date = 'Fri, 21 Nov 2025 10:00:00 +0100';

send_as('perl-email-mime', Email::MIME->create(
    header_str => [@who, Subject => 'Größe 42', Date => $date],
    parts => [
        Email::MIME->create(
            attributes => { content_type => 'text/plain', charset => 'UTF-8', encoding => 'quoted-printable' },
            body_str => "Größe 42\n",
        ),
        Email::MIME->create(
            attributes => {
                content_type => 'application/pdf', name => 'offer.pdf', filename => 'Angebot für Größe 42.pdf',
                encoding => 'base64', disposition => 'attachment',
            },
            body => octets('offer.pdf'),
        ),
    ],
)->as_string);

my $entity = MIME::Entity->build(@who, Type => 'multipart/mixed', Subject => 'Order 42', Date => $date, 'X-Mailer' => undef);
$entity->attach(Data => ["Two files for you.\n", "From the shop\n", ".\n"]);
$entity->attach(Path => "$files/letter.docx", Type => 'application/msword', Encoding => 'base64', Filename => 'Offer, 42.docx');
$entity->attach(Data => "a;b\n1;2\n", Type => 'text/csv', Encoding => '7bit', Filename => 'prices.csv');
send_as('perl-mime-tools', $entity->as_string);

my $lite = MIME::Lite->new(@who, Subject => 'Photos', Type => 'multipart/related', Date => $date);
$lite->attach(Type => 'text/html', Data => '<p><img src="cid:logo.png"></p>');
$lite->attach(Type => 'image/png', Id => 'logo.png', Path => "$files/logo.png");
send_as('perl-mime-lite', $lite->as_string);
