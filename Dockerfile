# vidpipeline as a container: built in one stage, run in another by a user without rights.
#   docker build -t vidpipeline . && docker run -p 8000:8000 -v videos:/data vidpipeline
FROM debian:bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates nodejs npm make
WORKDIR /src
COPY . .
RUN scripts/setup.sh build \
 && cmake --preset release -DVIDPIPELINE_TESTS=OFF \
 && cmake --build --preset release \
 && cmake --install build/release --prefix /opt/vidpipeline

FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends \
      curl libavcodec59 libavfilter8 libavformat59 libavutil57 libbrotli1 libcaf-openssl0.17 libcaf-io0.17 libcaf-core0.17 \
      libcpp-httplib0.11 libfmt9 libprometheus-cpp-core1.0 librdkafka1 libseccomp2 libsodium23 libspdlog1.10 libsqlite3-0 \
      libssl3 libswresample4 libswscale6 \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --create-home --home-dir /data vidpipeline
COPY --from=build /opt/vidpipeline /opt/vidpipeline
ENV PATH=/opt/vidpipeline/bin:$PATH
USER vidpipeline
WORKDIR /data
VOLUME /data
EXPOSE 8000 8100 8101
HEALTHCHECK --interval=10s --timeout=3s CMD curl -fs http://localhost:8000/healthz || exit 1
ENTRYPOINT ["vidpipeline"]
CMD ["serve", "--address", "0.0.0.0", "--data", "/data/videos"]
