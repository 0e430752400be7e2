<?php
// PHPMailer, as WordPress and many others have it inside.
require '/usr/share/php/libphp-phpmailer/autoload.php';

use PHPMailer\PHPMailer\PHPMailer;

$mail = new PHPMailer(true);
$mail->isSMTP();
$mail->Host = 'localhost';
$mail->Port = (int) getenv('PORT');
$mail->SMTPSecure = getenv('TLS') ? PHPMailer::ENCRYPTION_SMTPS : PHPMailer::ENCRYPTION_STARTTLS;
$mail->SMTPOptions = ['ssl' => ['cafile' => getenv('CERTIFICATE')]];
$mail->SMTPAuth = true;
$mail->Username = getenv('LOGIN');
$mail->Password = getenv('PASSWORD');

$mail->CharSet = PHPMailer::CHARSET_UTF8;
$mail->setFrom('shop@example.com', 'Bücher');
$mail->addAddress('reader@example.net');
$mail->Subject = 'Größe 42';
$mail->Body = file_get_contents(getenv('TEXT'));
if (getenv('HTML')) {
    $mail->AltBody = $mail->Body;
    $mail->isHTML(true);
    $mail->Body = file_get_contents(getenv('HTML'));
    $mail->addEmbeddedImage(getenv('IMAGE'), 'logo', 'logo.png');
}
$mail->addStringAttachment("a;b\n1;2\n", 'Größe.csv');
$mail->send();
file_put_contents(getenv('SENT'), $mail->getSentMIMEMessage());
