#!/bin/sh
# A Postfix of its own with the relay as its smarthost; `sendmail` hands it the mail; ends when all was sent.
set -eu
folder=$(mktemp -d)  # where the user postfix can get to
trap 'postfix -c "$folder/config" stop >/dev/null 2>&1; cat "$folder/log"; rm -rf "$folder"' EXIT
trap 'exit 1' TERM
chmod 755 "$folder"
mkdir "$folder/config" "$folder/queue" "$folder/data"
cp "$CERTIFICATE" "$folder/config/relay.pem"
chown postfix "$folder/data"
printf '[localhost]:%s %s:%s\n' "$PORT" "$LOGIN" "$PASSWORD" >"$folder/config/password"
cat >"$folder/config/main.cf" <<SETTINGS
compatibility_level = 3.6
queue_directory = $folder/queue
data_directory = $folder/data
maillog_file = $folder/log
maillog_file_prefixes = $folder
myhostname = postfix.example.com
mydestination =
inet_interfaces = loopback-only
alias_maps =
import_environment = MAIL_CONFIG MAIL_DEBUG MAIL_LOGTAG TZ

smtp_dns_support_level = disabled
relayhost = [localhost]:$PORT
smtp_sasl_auth_enable = yes
smtp_sasl_security_options = noanonymous
smtp_sasl_password_maps = texthash:$folder/config/password
smtp_tls_security_level = secure
smtp_tls_wrappermode = ${TLS:-no}
smtp_tls_CAfile = $folder/config/relay.pem
smtp_destination_recipient_limit = 1
SETTINGS
cat >"$folder/config/master.cf" <<SERVICES
pickup    unix  n - n 1 1 pickup
cleanup   unix  n - n - 0 cleanup
qmgr      unix  n - n 1 1 qmgr
tlsmgr    unix  - - n 1000? 1 tlsmgr
rewrite   unix  - - n - - trivial-rewrite
bounce    unix  - - n - 0 bounce
defer     unix  - - n - 0 bounce
trace     unix  - - n - 0 bounce
verify    unix  - - n - 1 verify
flush     unix  n - n 1000? 0 flush
proxymap  unix  - - n - - proxymap
smtp      unix  - - n - - smtp
relay     unix  - - n - - smtp
error     unix  - - n - - error
retry     unix  - - n - - error
discard   unix  - - n - - discard
anvil     unix  - - n - 1 anvil
scache    unix  - - n - 1 scache
postlog   unix-dgram n - n - 1 postlogd
SERVICES

postfix -c "$folder/config" start
sendmail -C "$folder/config" -i -f shop@example.com -- "$@" <"$MAIL"
for _ in $(seq 100); do
    [ "$(grep -c 'status=sent' "$folder/log")" = $# ] && exit 0
    sleep 0.1
done
exit 1
