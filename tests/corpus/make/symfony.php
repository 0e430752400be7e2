<?php
// Symfony Mailer, as Laravel and Drupal have it inside.
require '/usr/share/php/Symfony/Component/Mailer/autoload.php';

use Symfony\Component\Mailer\Envelope;
use Symfony\Component\Mailer\Transport\Smtp\EsmtpTransport;
use Symfony\Component\Mime\Address;
use Symfony\Component\Mime\Crypto\SMimeEncrypter;
use Symfony\Component\Mime\Crypto\SMimeSigner;
use Symfony\Component\Mime\Email;

$files = getenv('FILES');
$transport = new EsmtpTransport('127.0.0.1', (int) getenv('PORT'), false);
$transport->setLocalDomain('client.example');

function mail_of(): Email
{
    $mail = (new Email())->from('Bücher <shop@example.com>')->to('reader@example.net')->subject('Größe 42');
    $mail->getHeaders()->addIdHeader('Message-ID', 'symfony.42@example.com');
    return $mail;
}

$text = "Größe 42\n" . str_repeat('Quoted with soft breaks. ', 12);
$html = mail_of()->text($text)->html('<p>Größe 42</p>');
$inline = mail_of()->text($text)->html('<p><img src="cid:logo"></p>')
    ->embedFromPath("$files/logo.png", 'logo')->attachFromPath("$files/offer.pdf", 'Angebot für 🎁.pdf');
$key = openssl_pkey_new(['private_key_bits' => 2048]);
$certificate = openssl_csr_sign(openssl_csr_new(['commonName' => 'shop@example.com'], $key), null, $key, 1);
openssl_pkey_export_to_file($key, "$files/symfony.key");
openssl_x509_export_to_file($certificate, "$files/symfony.pem");

$mails = [
    'symfony-alternative' => $html,
    'symfony-inline' => $inline,
    'symfony-smime-signed' => (new SMimeSigner("$files/symfony.pem", "$files/symfony.key"))->sign($inline),
    'symfony-smime-encrypted' => (new SMimeEncrypter("$files/symfony.pem"))->encrypt($html),
];
foreach ($mails as $name => $mail) {
    $transport->send($mail, new Envelope(new Address('shop@example.com'), [new Address("$name@example.net")]));
}
