# Build: docker build -t zoetrope .
# Run:   docker run --rm -v "$PWD:/data" zoetrope extract pipeline.yaml
FROM swift:6.3-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends make && rm -rf /var/lib/apt/lists/*
WORKDIR /zoetrope
COPY Makefile Package.swift ./
RUN make setup
COPY Sources Sources
COPY Tests Tests
COPY pipelines pipelines
RUN make install PREFIX=/usr DESTDIR=/installed

FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends \
    libdnnl2 libavformat59 libavcodec59 libavfilter8 libavutil57 libswscale6 libzip4 libhdf5-103-1 libssl3 libsqlite3-0 \
    sqlite3 curl ca-certificates gnuplot-nox && rm -rf /var/lib/apt/lists/*
COPY --from=build /installed /
WORKDIR /data
ENTRYPOINT ["zoetrope"]
CMD ["help"]
