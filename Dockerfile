# docker build --tag bids_rsa --build-arg REVISION="$(git rev-parse HEAD)" .
# The kernels are compiled here, once: for x86-64 machines with AVX2 (any server since 2013), or for any
# 64-bit ARM machine (docker build --platform linux/arm64).

# the builder names the architecture; one that does not builds for x86-64
ARG TARGETARCH

FROM python:3.13-slim-trixie AS base

# what the kernels are compiled for; without both of these it would be the machine they run on
FROM base AS base-amd64
ENV NUMBA_CPU_NAME="x86-64-v3" \
    NUMBA_CPU_FEATURES="+avx,+avx2,+bmi,+bmi2,+cx16,+f16c,+fma,+lzcnt,+movbe,+popcnt,+sse4.1,+sse4.2,+ssse3"

FROM base AS base-arm64
ENV NUMBA_CPU_NAME="generic" \
    NUMBA_CPU_FEATURES="+fp-armv8,+neon"

# hadolint ignore=DL3006
FROM base-${TARGETARCH:-amd64} AS build
COPY pyproject.toml setup.py constraints.txt README.md LICENSE /src/
COPY bids_rsa /src/bids_rsa
COPY workflows /src/workflows
COPY docker/install.sh /src/docker/install.sh
RUN ["/bin/sh", "/src/docker/install.sh", "/src", "/opt/bids_rsa"]

# hadolint ignore=DL3006
FROM base-${TARGETARCH:-amd64}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="bids_rsa" \
      org.opencontainers.image.description="Searchlight representational similarity analysis of fMRI as a BIDS App" \
      org.opencontainers.image.licenses="BSD-3-Clause" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# one thread for BLAS: the app's own threads work on blocks of the grid
ENV PATH="/opt/bids_rsa/bin:${PATH}" \
    HOME="/home/bids_rsa" \
    LANG="C.UTF-8" \
    OMP_NUM_THREADS="1" \
    OPENBLAS_NUM_THREADS="1" \
    MKL_NUM_THREADS="1" \
    NO_ET="1" \
    NIPYPE_NO_ET="1"
COPY --from=build /opt/bids_rsa /opt/bids_rsa
# a home for whatever user comes; Python's own library compiled too, which the official image leaves out
RUN mkdir --mode 1777 /home/bids_rsa \
    && python -m compileall -q -x '/(test|tests|idlelib|turtledemo|site-packages|dist-packages)/' \
        "$(python -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')" \
    && python -c 'import bids_rsa; print(bids_rsa.__version__)' > /version \
    && test "$(cat /version)" = "${VERSION}"
WORKDIR /tmp
ENTRYPOINT ["/opt/bids_rsa/bin/bids_rsa"]
