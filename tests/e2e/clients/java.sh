#!/bin/sh
# java.sh javax|jakarta: runs Mail.java with JavaMail or with Jakarta Mail.
here=$(dirname "$0")
case $1 in
    javax) jars=/usr/share/java/javax.mail.jar:/usr/share/java/javax.activation.jar ;;
    jakarta) jars=/usr/share/java/jakarta-mail.jar:/usr/share/java/jakarta-activation.jar ;;
esac
sed "s/^import javax\.mail/import $1.mail/" "$here/Mail.java" >"$HOME/Mail.java"
rm -f "$HOME/trusted"
keytool -importcert -noprompt -alias relay -file "$CERTIFICATE" -keystore "$HOME/trusted" -storepass secret
exec java -Djavax.net.ssl.trustStore="$HOME/trusted" -Djavax.net.ssl.trustStorePassword=secret \
    -Dfile.encoding=UTF-8 -cp "$jars" "$HOME/Mail.java"
