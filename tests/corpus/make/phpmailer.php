<?php
// PHPMailer, as WordPress and many others have it inside.
require '/usr/share/php/libphp-phpmailer/autoload.php';

use PHPMailer\PHPMailer\PHPMailer;

function mail_to(string $name): PHPMailer
{
    $mail = new PHPMailer(true);
    $mail->isSMTP();
    $mail->Host = '127.0.0.1';
    $mail->Port = (int) getenv('PORT');
    $mail->SMTPAutoTLS = false;
    $mail->Hostname = 'client.example';
    $mail->CharSet = PHPMailer::CHARSET_UTF8;
    $mail->setFrom('shop@example.com', 'Bücher');
    $mail->addAddress("$name@example.net");
    $mail->Subject = 'Größe 42';
    $mail->Body = "Größe 42\n";
    return $mail;
}

$files = getenv('FILES');

$wordpress = mail_to('phpmailer-wordpress');
$wordpress->setFrom('wordpress@example.com', 'WordPress');
$wordpress->Subject = '[Shop] Password Reset';
$wordpress->Body = "Someone has requested a password reset for the following account:\r\n\r\nSite Name: Shop\r\n\r\n"
    . "https://www.example.com/wp-login.php?action=rp&key=" . str_repeat('k3y', 20) . "&login=shop\r\n";
$wordpress->send();

$inline = mail_to('phpmailer-inline');
$inline->msgHTML('<p>Größe 42 <img src="cid:logo"></p>');
$inline->addEmbeddedImage("$files/logo.png", 'logo', 'logo.png');
$inline->addAttachment("$files/offer.pdf", 'Größe 42, Angebot für unsere treuen Kunden, gültig bis Jahresende.pdf');
$inline->addReplyTo('office@example.com');
$inline->send();

$quoted = mail_to('phpmailer-quoted-printable');
$quoted->Encoding = PHPMailer::ENCODING_QUOTED_PRINTABLE;
$quoted->isHTML(true);
$quoted->Body = '<p>' . str_repeat('Größe 42 = Größe XL. ', 80) . '</p>';
$quoted->AltBody = 'Größe 42';
$quoted->send();

$key = openssl_pkey_new(['private_key_bits' => 2048]);
$certificate = openssl_csr_sign(openssl_csr_new(['commonName' => 'shop@example.com'], $key), null, $key, 1);
openssl_pkey_export_to_file($key, "$files/php.key");
openssl_x509_export_to_file($certificate, "$files/php.pem");
$signed = mail_to('phpmailer-smime');
$signed->sign("$files/php.pem", "$files/php.key", '');
$signed->addAttachment("$files/offer.pdf");
$signed->send();

$dkim = mail_to('phpmailer-dkim');
$dkim->DKIM_domain = 'example.com';
$dkim->DKIM_selector = 'shop';
$dkim->DKIM_private = "$files/php.key";
$dkim->send();
