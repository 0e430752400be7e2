#!/bin/sh
# Sends one message, and asks what became of it: message.sh FROM TO ORDER
# RELAY_URL is like https://relay.example.com/email/v1; RELAY_LOGIN and RELAY_PASSWORD are those of `relay credential add`.
set -eu

# Tried again where the relay says 429 or 503, after as long as it says: the key keeps it from being sent twice.
call() {
  curl --silent --show-error --fail-with-body --retry 3 --user "$RELAY_LOGIN:$RELAY_PASSWORD" "$@"
}

answer=$(call --header "Content-Type: application/json" --header "Idempotency-Key: order-$3" --data @- "$RELAY_URL/Messages" <<END
{
  "Sender": {"Address": "$1", "Name": "The Shop"},
  "Recipient": {"Address": "$2"},
  "Subject": "Order $3",
  "Text": "<p>Thank you for your order $3.</p>",
  "UserMessageId": "order-$3"
}
END
) || { echo "$answer" >&2; exit 1; }
id=$(printf '%s' "$answer" | sed -n 's/.*"Result":"\([0-9A-Z-]*\)".*/\1/p')
echo "$id"
call "$RELAY_URL/Messages/$id"
echo
