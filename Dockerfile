# The relay as an image. BASE may be any Debian-based image with Python 3.11 or later and its venv.
#     docker build --tag relay:0.1.0 --build-arg REVISION="$(git rev-parse HEAD)" .
ARG BASE=python:3.11-slim-bookworm

FROM ${BASE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src
RUN python3 -m venv /opt/relay
COPY requirements.txt ./
RUN /opt/relay/bin/python -m pip install --quiet --require-hashes --requirement requirements.txt
COPY pyproject.toml README.md LICENSE ./
COPY relay ./relay
RUN /opt/relay/bin/python -m pip install --quiet --no-deps --no-build-isolation . \
    && /opt/relay/bin/python -m pip uninstall --quiet --yes setuptools pip
COPY config/image/sbom.py ./
RUN /opt/relay/bin/python sbom.py > /opt/relay/sbom.json

FROM ${BASE}
ARG BASE
ARG REVISION=unknown
LABEL org.opencontainers.image.title="relay" \
    org.opencontainers.image.description="A durable SMTP relay in front of Amazon SES" \
    org.opencontainers.image.version="0.1.0" \
    org.opencontainers.image.revision="${REVISION}" \
    org.opencontainers.image.base.name="${BASE}" \
    org.opencontainers.image.licenses="Apache-2.0"
# Who calls SES must know its authorities; slim images of Python have them.
RUN [ -s /etc/ssl/certs/ca-certificates.crt ] \
    || { apt-get update && apt-get install --yes --no-install-recommends ca-certificates && rm -rf /var/lib/apt/lists/*; }
RUN groupadd --gid 10001 relay \
    && useradd --uid 10001 --gid relay --no-create-home --home-dir /var/lib/relay --shell /usr/sbin/nologin relay \
    && install --directory --owner relay --group relay --mode 0700 /var/lib/relay
COPY --from=build /opt/relay /opt/relay
# Nothing else is written, so that the root file system may be read-only: sorting long lists goes to the volume as well.
ENV PATH=/opt/relay/bin:${PATH} PYTHONDONTWRITEBYTECODE=1 TMPDIR=/var/lib/relay
USER 10001:10001
VOLUME ["/var/lib/relay"]
# As in config/compose and config/kubernetes: ports that need no privilege. The private listener, 8082, is nobody's outside.
EXPOSE 2587 2465 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 CMD ["python", "-c", \
    "from http.client import HTTPConnection as To; to = To('127.0.0.1', 8082, timeout=4); to.request('GET', '/healthz'); raise SystemExit(to.getresponse().status != 200)"]
ENTRYPOINT ["relay"]
CMD ["serve"]
