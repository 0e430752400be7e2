#!/bin/sh
# Programs for the shell: swaks, curl, s-nail, mutt (through msmtp), git send-email, sendemail.
cd "$FILES" || exit 1
status=0
printf 'Hello,\n\nyour order 42 left our house today. Größe: 42.\n-- \nThe shop\n' >text
printf '<p>Hello,</p>\n<p>your order <b>42</b> left our house today.</p>\n' >text.html
sed 's/$/\r/' text.html >crlf.html
to_msmtp="msmtp --host=127.0.0.1 --port=$PORT --from=shop@example.com"

swaks="swaks --server 127.0.0.1:$PORT --from shop@example.com --silent 3 --helo client.example --h-X-Mailer swaks"
message_id='--header Message-Id:<42.swaks@client.example>'
$swaks $message_id --to swaks-text@example.net || status=1
$swaks $message_id --to swaks-attachment@example.net --h-Subject 'Offer 42' --body 'See the PDF.' \
    --attach-type application/pdf --attach-name offer-shop.com.pdf --attach @offer.pdf || status=1

curl --silent --show-error "smtp://127.0.0.1:$PORT/client.example" --mail-from shop@example.com \
    --mail-rcpt curl-alternative@example.net \
    -H 'From: shop@example.com' -H 'To: reader@example.net' -H 'Subject: Order 42' -H 'Date: Fri, 21 Nov 2025 10:00:00 +0100' \
    -F '=(;type=multipart/alternative' -F '=<text;type=text/plain;charset=utf-8;encoder=quoted-printable' \
    -F '=<crlf.html;type=text/html;charset=utf-8' -F '=)' -F '=@offer.pdf;encoder=base64' || status=1

s-nail -:/ -S v15-compat -S mta="smtp://127.0.0.1:$PORT" -S smtp-auth=none -S smtp-config=-ehlo -S hostname=client.example \
    -S from=shop@example.com -S sendwait -S ttycharset=utf-8 -S sendcharsets=iso-8859-1,utf-8 \
    -s 'Größe 42, und eine lange Zeile, die der Kopf der Nachricht in mehrere Worte und Zeilen falten muss' \
    -a prices.csv s-nail-attachment@example.net <text || status=1

mutt() {
    command mutt -n -F /dev/null -e "set from='Shop <shop@example.com>' use_from=yes use_envelope_from=no copy=no" \
        -e 'set charset=utf-8 send_charset=us-ascii:utf-8 hostname=client.example user_agent=yes' \
        -e "set sendmail='$to_msmtp'" "$@"
}
mutt -s 'Größe 42' mutt-text@example.net <text || status=1
cp prices.csv 'Прайс-лист на осень и зиму, все размеры и цены, со скидкой для постоянных покупателей.csv'
mutt -s 'Прайс-лист' -a ./Прайс*.csv offer.pdf -- mutt-attachments@example.net <text || status=1
mutt -e 'my_hdr Resent-From: office@example.com' -e 'my_hdr Resent-To: reader@example.net' \
    -e 'my_hdr Resent-Date: Fri, 21 Nov 2025 11:00:00 +0100' -s 'Order 42' mutt-resent@example.net <text || status=1

mkdir -p repository && (
    cd repository && rm -rf .git && git init -q -b main . && git config user.email shop@example.com && git config user.name Shop
    printf 'begin 2026 with www.example.com\n' >README && git add . && git commit -q -m 'Begin'
    printf 'begin 2026 with www.example.com\nGröße 42\n' >README && git commit -q -a -m 'Größen: die ersten' && git format-patch -q -1
    git send-email --quiet --no-validate --confirm=never --suppress-cc=all --from='Shop <shop@example.com>' \
        --in-reply-to='<41@example.net>' --smtp-server=127.0.0.1 --smtp-server-port="$PORT" \
        --smtp-domain=client.example --to=git-send-email@example.net 0001-*.patch
) || status=1

sendemail -q -f shop@example.com -t sendemail-attachments@example.net -s "127.0.0.1:$PORT" -o tls=no -u 'Order 42' \
    -o fqdn=client.example -o message-content-type=html -o message-file=text.html -a offer.pdf letter.docx || status=1
exit $status
