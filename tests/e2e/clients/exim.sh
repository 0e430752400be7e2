#!/bin/sh
# Exim with the relay as its smarthost: takes the mail as `sendmail` would, and delivers it before it ends.
set -eu
exim=$(realpath "$ROOT/.clients/exim/usr/sbin/exim4")
folder=$(mktemp -d)  # where the user Debian-exim can get to
trap 'rm -rf "$folder"' EXIT
chown Debian-exim "$folder"
cp "$CERTIFICATE" "$folder/relay.pem"
cat >"$folder/configuration" <<SETTINGS
exim_path = $exim
primary_hostname = exim.example.com
spool_directory = $folder/spool
log_file_path = $folder/log-%slog
keep_environment =
tls_advertise_hosts =

begin routers
smarthost:
  driver = manualroute
  domains = *
  transport = smarthost
  route_list = * localhost::$PORT byname
  self = send

begin transports
smarthost:
  driver = smtp
  hosts_require_auth = *
  hosts_require_tls = *
  ${TLS:+protocol = smtps}
  tls_verify_hosts = *
  tls_verify_certificates = $folder/relay.pem
  tls_verify_cert_hostnames = localhost
  max_rcpt = 1

begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  client_send = ^$LOGIN^$PASSWORD
SETTINGS
"$exim" -C "$folder/configuration" -odf -i -f shop@example.com "$@" <"$MAIL"
cat "$folder"/log-*
grep -q ' => ' "$folder/log-mainlog"
