#!/usr/bin/env bash
# The peers of `make bench`, where they can be had: Debian's Postfix with SASL's own user file, and npm's Haraka in .node/haraka.
set -euo pipefail
cd "$(dirname "$0")/../.."

if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
    export DEBIAN_FRONTEND=noninteractive
    # Without settings of its own Debian's Postfix starts nothing: the bench starts an instance of its own.
    dpkg -s postfix >/dev/null 2>&1 || echo "postfix postfix/main_mailer_type select No configuration" | debconf-set-selections
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends postfix sasl2-bin libsasl2-modules
fi

# Without Haraka's optional plugins. Of libmime, the version that is named here is one whose own needs npm can meet.
if command -v npm >/dev/null; then
    npm install --silent --no-save --no-audit --no-fund --omit=optional --prefix .node/haraka Haraka@3.3.4 libmime@5.4.3
fi
