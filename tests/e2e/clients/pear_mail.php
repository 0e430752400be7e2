<?php
// PEAR's Mail with Net_SMTP, as CiviCRM has them inside. STARTTLS comes by itself; `ssl://` is TLS from the first octet.
require 'Mail.php';

$mailer = Mail::factory('smtp', [
    'host' => (getenv('TLS') ? 'ssl://' : '') . 'localhost',
    'port' => (int) getenv('PORT'),
    'auth' => true,
    'username' => getenv('LOGIN'),
    'password' => getenv('PASSWORD'),
    'socket_options' => ['ssl' => ['cafile' => getenv('CERTIFICATE')]],
]);
$headers = [
    'From' => '"Shop" <shop@example.com>',
    'To' => 'reader@example.net',
    'Subject' => '=?utf-8?q?Gr=C3=B6=C3=9Fe?= 42',
    'Content-Type' => 'text/plain; charset=utf-8',
    'Content-Transfer-Encoding' => '8bit',
];
$text = file_get_contents(getenv('TEXT'));
$result = $mailer->send('reader@example.net', $headers, $text);
if ($result !== true) {
    fwrite(STDERR, $result->getMessage());
    exit(1);
}
$lines = array_map(fn ($name) => "$name: $headers[$name]\r\n", array_keys($headers));
file_put_contents(getenv('SENT'), implode($lines) . "\r\n" . $text);
