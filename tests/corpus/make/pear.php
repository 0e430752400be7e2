<?php
// PEAR's Mail and Mail_Mime, as CiviCRM and Roundcube have them inside.
require 'Mail.php';
require 'Mail/mime.php';

$files = getenv('FILES');
$settings = ['host' => '127.0.0.1', 'port' => (int) getenv('PORT'), 'localhost' => 'client.example'];

function send(string $name, Mail_mime $mime, array $headers, string $from): void
{
    global $settings;
    $body = $mime->get(['text_charset' => 'utf-8', 'html_charset' => 'utf-8', 'head_charset' => 'utf-8']);
    $headers = $mime->headers($headers + ['To' => 'reader@example.net', 'Date' => 'Fri, 21 Nov 2025 10:00:00 +0100']);
    $result = Mail::factory('smtp', $settings)->send("$name@example.net", ['Return-Path' => $from] + $headers, $body);
    if ($result !== true) {
        fwrite(STDERR, $result->getMessage());
        exit(1);
    }
}

$mailing = new Mail_mime("\n");
$mailing->setTXTBody("Dear reader,\n\nGröße 42 is there again.\n");
$mailing->setHTMLBody('<p>Dear reader,</p><p>Größe 42 is there again.</p>');
send('pear-civicrm', $mailing, [
    'From' => '"Shop" <shop@example.com>',
    'Subject' => 'News of the week: Größe 42',
    'Reply-To' => 'r.42.7.0123456789abcdef@example.com',
    'List-Unsubscribe' => '<mailto:u.42.7.0123456789abcdef@example.com>',
    'Precedence' => 'bulk',
    'job_id' => '42',
    'X-CiviMail-Bounce' => 'b.42.7.0123456789abcdef@example.com',
    'Message-ID' => '<b.42.7.0123456789abcdef@example.com>',
], 'b.42.7.0123456789abcdef@example.com');

$roundcube = new Mail_mime("\r\n");
$roundcube->setTXTBody("See below.\r\n");
$roundcube->setHTMLBody('<p>See below. <img src="logo.png"></p>');
$roundcube->addHTMLImage("$files/logo.png", 'image/png');
$roundcube->addAttachment("$files/offer.pdf", 'application/pdf', 'Предложение.pdf');
$roundcube->addAttachment(
    "$files/prices.csv", 'text/csv', 'Größe.csv', true, 'base64', 'attachment', '', '', '', 'base64', 'quoted-printable'
);
send('pear-roundcube', $roundcube, [
    'From' => 'shop@example.com',
    'Subject' => 'Größe 42',
    'Message-ID' => '<0123456789abcdef0123456789abcdef@example.com>',
    'User-Agent' => 'Roundcube Webmail/1.6.9',
    'X-Sender' => 'shop@example.com',
], 'shop@example.com');
