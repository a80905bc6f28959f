# One binary, its settings and its definitions, run by a user without rights.
FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
# librdkafka and OpenSSL are built from their crates: the compiler, make and perl of this image are all they need.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --package retain \
    && cp target/release/retain /usr/local/bin/retain

FROM debian:bookworm-slim
# Certificates for TLS to Kafka and ClickHouse; zlib is what librdkafka links to.
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates zlib1g \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin retain
WORKDIR /app
COPY --from=build /usr/local/bin/retain /usr/local/bin/retain
COPY config ./config
COPY pipelines ./pipelines
USER retain
# Inside a container the pages must listen on the container's own address; publish the port on loopback.
ENV RETAIN__HTTP__LISTEN=0.0.0.0:9464
EXPOSE 9464
ENTRYPOINT ["retain"]
CMD ["run", "pipelines/customers.toml"]
