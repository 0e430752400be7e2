#!/bin/sh
# java.sh javax|jakarta: runs Mail.java with JavaMail, file names in RFC 2047, or with Jakarta Mail, file names in RFC 2231.
case $1 in
    javax)
        jars=/usr/share/java/javax.mail.jar:/usr/share/java/javax.activation.jar
        options='-Dmail.mime.encodefilename=true -Dmail.mime.encodeparameters=false'
        name=javamail
        ;;
    jakarta)
        jars=/usr/share/java/jakarta-mail.jar:/usr/share/java/jakarta-activation.jar
        name=jakarta
        ;;
esac
sed "s/^import javax\./import $1./; s/ javax\.mail\./ $1.mail./" Mail.java >"$FILES/Mail.java"
exec java $options -Dfile.encoding=UTF-8 -cp "$jars" "$FILES/Mail.java" $name
