# Built where Rust is, run where nothing is but the program, the libraries it is linked with and the authorities it trusts.

# What the stages stand on; `tests/image/run.sh` puts in its own where no registry can be asked.
ARG RUST_IMAGE=docker.io/library/rust:1.95-slim-bookworm
ARG DEBIAN_IMAGE=docker.io/library/debian:bookworm-slim

FROM ${RUST_IMAGE} AS build
WORKDIR /source
COPY . .
# What was built before is kept between builds of the image; it is not a part of any layer, so the program is copied out.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/source/target \
    cargo build --release --locked --bin crm-gateway \
    && cp target/release/crm-gateway /usr/local/bin/crm-gateway

FROM ${DEBIAN_IMAGE} AS image
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
# The newest authorities are wanted, whatever their version.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /usr/local/bin/crm-gateway /image/usr/local/bin/crm-gateway
# The libraries by the names that the program asks for, and the licences under which they are given on.
# Names of hosts are looked up by the C library, which wants to be told where.
WORKDIR /image
RUN install --directory etc/ssl/certs usr/share/doc tmp \
    && ldd usr/local/bin/crm-gateway | grep --only-matching '/[^ ]*' | xargs cp --dereference --parents --target-directory=. \
    && cp /etc/ssl/certs/ca-certificates.crt etc/ssl/certs/ \
    && cp --recursive /usr/share/doc/libc6 /usr/share/doc/libgcc-s1 /usr/share/doc/gcc-12-base /usr/share/doc/ca-certificates usr/share/doc/ \
    && find usr/share/doc -type f ! -name copyright -delete \
    && echo 'hosts: files dns' > etc/nsswitch.conf \
    && echo 'gateway:x:10001:10001::/:/nonexistent' > etc/passwd \
    && echo 'gateway:x:10001:' > etc/group \
    && chmod 1777 tmp \
    && install --directory --mode=0700 --owner=10001 --group=10001 data

FROM scratch
LABEL org.opencontainers.image.title="crm-gateway" \
      org.opencontainers.image.description="One clean REST API in front of AlfaCRM and the Crypto CRM" \
      org.opencontainers.image.licenses="MIT"
COPY --from=image /image /
# What outlives the program (`store.path`); it writes nowhere else.
VOLUME /data
# A number, so that an orchestrator can see that it is not root.
USER 10001:10001
WORKDIR /
# The API, and what operators ask; the second must never be public.
EXPOSE 8080 9090
HEALTHCHECK --interval=10s --timeout=6s --start-period=5s --retries=3 \
    CMD ["/usr/local/bin/crm-gateway", "healthcheck"]
# SIGTERM drains: the program answers it as process 1 because nothing stands between.
ENTRYPOINT ["/usr/local/bin/crm-gateway"]
CMD ["serve", "--config", "/etc/crm-gateway/config.toml"]
