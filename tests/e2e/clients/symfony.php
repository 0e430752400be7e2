<?php
// Symfony Mailer, as Laravel and Drupal have it inside.
require '/usr/share/php/Symfony/Component/Mailer/autoload.php';

use Symfony\Component\Mailer\Transport\Smtp\EsmtpTransport;
use Symfony\Component\Mime\Email;

$transport = new EsmtpTransport('localhost', (int) getenv('PORT'), (bool) getenv('TLS'));
$transport->getStream()->setStreamOptions(['ssl' => ['cafile' => getenv('CERTIFICATE')]]);
$transport->setUsername(getenv('LOGIN'));
$transport->setPassword(getenv('PASSWORD'));

$mail = (new Email())
    ->from('Bücher <shop@example.com>')
    ->to('reader@example.net')
    ->subject('Größe 42')
    ->text(file_get_contents(getenv('TEXT')))
    ->html('<p>Größe 42</p>')
    ->attach("a;b\n1;2\n", 'Größe.csv');
$sent = $transport->send($mail);
file_put_contents(getenv('SENT'), $sent->toString());
