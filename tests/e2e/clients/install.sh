#!/bin/sh
# Installs what the tests of real clients and of the pages use, from Debian's packages and from npm, HAProxy to stand before the relay
# and PgBouncer behind it, strace and libfaketime for tests/chaos, sslscan, and
# mmdebstrap, buildah and systemd-analyze for tests/config_files, promtool for the rules.
# Starts no service.
# Whatever cannot be had is left out; then the exit status is 1.
cd "$(dirname "$0")/../../.." || exit 1

packages='swaks curl msmtp s-nail mutt git-email sendemail postfix libsasl2-modules
    php-cli libphp-phpmailer php-symfony-mailer php-mail php-net-smtp
    perl libmime-tools-perl libio-socket-ssl-perl libauthen-sasl-perl libmailtools-perl libemail-sender-perl
    ruby-mail default-jdk-headless libmail-java libjakarta-mail-java golang-go strace libfaketime chromium haproxy pgbouncer sslscan
    mmdebstrap buildah systemd prometheus'

install_debian() {
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    echo 'postfix postfix/main_mailer_type select No configuration' | debconf-set-selections
    there=$(apt-cache pkgnames | grep -Fx "$(printf '%s\n' $packages; libraries_of_exim)")
    apt-get install -y -qq --no-install-recommends --no-upgrade $there && unpack_exim
}

libraries_of_exim() {
    apt-cache depends exim4-daemon-light | sed -n 's/^  Depends: \(lib.*\)/\1/p'
}

# Debian lets nobody have Exim and Postfix at once: Exim's binary is unpacked here, and gets the user it asks for.
unpack_exim() {
    getent passwd Debian-exim >/dev/null || useradd --system --no-create-home --shell /usr/sbin/nologin Debian-exim
    mkdir -p .clients
    (cd .clients && apt-get download -qq exim4-daemon-light && dpkg -x exim4-daemon-light_*.deb exim)
}

# Debian's way to say that no service may be started; where somebody said so already it stays.
forbid_services() {
    [ -e /usr/sbin/policy-rc.d ] && return
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
    chmod 755 /usr/sbin/policy-rc.d
}

lacks_debian() {
    [ ! -d .clients/exim ] || ! perl -MMIME::Parser -e 1 || ! command -v chromium || ! command -v haproxy ||
        ! command -v pgbouncer || ! command -v mmdebstrap || ! command -v buildah || ! command -v systemd-analyze ||
        ! command -v promtool
}

status=0
if command -v apt-get && [ "$(id -u)" = 0 ] && lacks_debian; then
    forbid_services
    install_debian || status=1
fi
if command -v npm && { [ ! -d .node/node_modules/axe-core ] || [ ! -d .node/node_modules/@aws-sdk ]; }; then
    npm install --silent --no-save --no-audit --no-fund --prefix .node \
        sns-validator@0.3.5 nodemailer@10.6.0 mailparser@3.7.4 axe-core@4.14.1 \
        @aws-sdk/client-ses@3.1169.0 @aws-sdk/client-sesv2@3.1169.0 || status=1
fi
exit $status
