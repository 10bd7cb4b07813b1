# syntax=docker/dockerfile:1
# One image for every program of Parcours: `parcours collector`, `parcours identity`, `parcours enricher`, `parcours sink`.

FROM golang:1.26-bookworm AS build
WORKDIR /src
ENV CGO_ENABLED=0 GOMODCACHE=/cache/mod GOCACHE=/cache/build

# What follows depends on the go.mod files alone: a change of code downloads nothing again.
COPY go.work go.work.sum ./
COPY bench/go.mod bench/go.sum bench/
COPY cmd/parcours/go.mod cmd/parcours/go.sum cmd/parcours/
COPY embedded/go.mod embedded/go.sum embedded/
COPY internal/go.mod internal/go.sum internal/
COPY schemas/go.mod schemas/go.sum schemas/
COPY services/collector/go.mod services/collector/go.sum services/collector/
COPY services/enricher/go.mod services/enricher/go.sum services/enricher/
COPY services/identity/go.mod services/identity/go.sum services/identity/
COPY services/sink/go.mod services/sink/go.sum services/sink/
RUN --mount=type=cache,target=/cache go mod download

COPY . .
ARG VERSION=dev
RUN --mount=type=cache,target=/cache \
    go build -buildvcs=false -trimpath -ldflags "-s -w -X main.version=$VERSION" -o /parcours ./cmd/parcours
RUN mkdir /data

# The C library is the one thing the binary asks for, because it can load the ClickHouse engine; no shell, no package manager.
FROM gcr.io/distroless/base-nossl-debian12:nonroot
COPY --from=build /parcours /parcours
COPY LICENSE NOTICE /
# For volumes: a new one takes over who owns the folder.
COPY --from=build --chown=65532:65532 /data /data
USER 65532:65532
ENTRYPOINT ["/parcours"]
CMD ["--help"]
