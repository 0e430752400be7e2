#!/bin/sh
# Signed and encrypted mail: PGP/MIME by GnuPG, S/MIME by OpenSSL. Keys of an hour, kept nowhere.
cd "$FILES" || exit 1
status=0
export GNUPGHOME="$FILES/gnupg"
mkdir -p -m 700 "$GNUPGHOME"
gpg --batch --quiet --passphrase '' --quick-generate-key shop@example.com ed25519 sign never 2>/dev/null
key=$(gpg --list-keys --with-colons | awk -F: '/^fpr/ { print $10; exit }')
gpg --batch --quiet --passphrase '' --quick-add-key "$key" cv25519 encr never 2>/dev/null

head() {
    printf 'From: shop@example.com\nTo: reader@example.net\nSubject: %s\nDate: Fri, 21 Nov 2025 10:00:00 +0100\n' "$1"
    printf 'Message-ID: <pgp.42@example.com>\nMIME-Version: 1.0\n'
}

# RFC 3156 5: what is signed has its CRLF, and the last one belongs to the delimiter.
signed() {
    printf 'Content-Type: multipart/mixed; boundary="inner-42"; protected-headers="v1"\r\nSubject: Order 42\r\n\r\n' >entity
    printf -- '--inner-42\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n' >>entity
    printf 'Größe 42\r\n-- \r\nThe shop\r\n\r\n--inner-42\r\nContent-Type: application/pgp-keys; name="0x42.asc"\r\n' >>entity
    printf 'Content-Disposition: attachment; filename="0x42.asc"\r\n\r\n' >>entity
    gpg --batch --quiet --armor --export "$key" | sed 's/$/\r/' >>entity
    printf '\r\n--inner-42--\r\n' >>entity
    head 'Order 42'
    printf 'Content-Type: multipart/signed; micalg=pgp-sha512; protocol="application/pgp-signature";\n boundary="sealed-42"\n\n'
    printf 'This is an OpenPGP/MIME signed message (RFC 4880 and 3156)\n--sealed-42\n'
    tr -d '\r' <entity
    printf '\n--sealed-42\nContent-Type: application/pgp-signature; name="OpenPGP_signature.asc"\n'
    printf 'Content-Description: OpenPGP digital signature\nContent-Disposition: attachment; filename="OpenPGP_signature"\n\n'
    gpg --batch --quiet --armor --digest-algo sha512 --detach-sign <entity
    printf '\n--sealed-42--\n'
}

encrypted() {
    head ...
    printf 'Content-Type: multipart/encrypted; protocol="application/pgp-encrypted";\n boundary="sealed-42"\n\n'
    printf 'This is an OpenPGP/MIME encrypted message (RFC 4880 and 3156)\n--sealed-42\n'
    printf 'Content-Type: application/pgp-encrypted\nContent-Description: PGP/MIME version identification\n\nVersion: 1\n\n'
    printf -- '--sealed-42\nContent-Type: application/octet-stream; name="encrypted.asc"\n'
    printf 'Content-Description: OpenPGP encrypted message\nContent-Disposition: inline; filename="encrypted.asc"\n\n'
    printf 'Content-Type: text/plain; charset=utf-8\n\nGröße 42\n' | gpg --batch --quiet --armor --trust-model always -r "$key" -e
    printf '\n--sealed-42--\n'
}
inline() {
    head 'Order 42'
    printf 'Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n'
    printf 'Größe 42\n-- \nThe shop\n' | gpg --batch --quiet --clearsign
}
send() { msmtp --host=127.0.0.1 --port="$PORT" --from=shop@example.com "$1@example.net"; }
signed | send gnupg-signed || status=1
encrypted | send gnupg-encrypted || status=1
inline | send gnupg-inline || status=1

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -out certificate.pem -days 1 \
    -subj /CN=shop@example.com 2>/dev/null
{ printf 'Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n'; printf 'Größe 42\r\n'; } >entity
headers='-from shop@example.com -to reader@example.net -subject Order'
cms() { openssl cms "$@" -in entity $headers | tr -d '\r'; }
cms -sign -signer certificate.pem -inkey key.pem | send openssl-smime-signed || status=1
cms -sign -nodetach -signer certificate.pem -inkey key.pem | send openssl-smime-opaque || status=1
openssl cms -encrypt -aes256 -in entity $headers certificate.pem | tr -d '\r' | send openssl-smime-encrypted || status=1
gpgconf --kill gpg-agent
exit $status
