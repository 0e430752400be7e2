<?php
// Sends one message, and asks what became of it: php message.php FROM TO ORDER
// RELAY_URL is like https://relay.example.com/email/v1; RELAY_LOGIN and RELAY_PASSWORD are those of `relay credential add`.

// The Result. Tried again where the relay says when to; throws for what it refuses.
function call(string $method, string $path, ?array $body = null, array $headers = []): mixed
{
    $login = base64_encode(getenv('RELAY_LOGIN') . ':' . getenv('RELAY_PASSWORD'));
    $http = [
        'method' => $method,
        'header' => ["Authorization: Basic $login", 'Content-Type: application/json', ...$headers],
        'content' => $body === null ? '' : json_encode($body),
        'ignore_errors' => true,
    ];
    for ($left = 3; ; $left--) {
        $text = file_get_contents(getenv('RELAY_URL') . $path, false, stream_context_create(['http' => $http]));
        if ($text === false) {
            throw new RuntimeException('the relay does not answer');
        }
        $answer = json_decode($text, true);
        if (in_array($answer['Code'], ['ok', 'not_changed'])) {
            return $answer['Result'] ?? null;
        }
        $seconds = preg_filter('/^Retry-After: */i', '', $http_response_header);
        if (!$seconds || !$left) {
            throw new RuntimeException("{$answer['Code']}: {$answer['Description']}");
        }
        sleep((int) reset($seconds));
    }
}

[, $from, $to, $order] = $argv;
$message = [
    'Sender' => ['Address' => $from, 'Name' => 'The Shop'],
    'Recipient' => ['Address' => $to],
    'Subject' => "Order $order",
    'Text' => "<p>Thank you for your order $order.</p>",
    'UserMessageId' => "order-$order",
];
// The key keeps it from being sent twice, however often this runs.
$id = call('POST', '/Messages', $message, ["Idempotency-Key: order-$order"]);
echo "$id\n";
foreach (call('GET', "/Messages/$id") as $each) {
    echo "{$each['Email']} {$each['State']}\n";
}
