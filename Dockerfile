# Built where Rust is, run where nothing is but the program and the authorities it trusts.

FROM rust:1.95-slim-bookworm AS build
WORKDIR /source
COPY . .
# What was built before is kept between builds of the image; it is not a part of any layer, so the program is copied out.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/source/target \
    cargo build --release --locked --bin crm-gateway \
    && cp target/release/crm-gateway /usr/local/bin/crm-gateway

FROM debian:bookworm-slim
# The newest authorities are wanted, whatever their version.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /usr/local/bin/crm-gateway /usr/local/bin/crm-gateway
# What outlives the program (`store.path`); it writes nowhere else.
RUN install --directory --mode=0700 --owner=10001 --group=10001 /data
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
