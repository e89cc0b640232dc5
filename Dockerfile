# The one image of all of the project's services. Wheels only, so there is no compiler in it; the lock's hashes are
# checked. It runs as a user without rights on a read-only file system.
FROM python:3.13-slim AS build
COPY locks/runtime.txt /build/runtime.txt
RUN python -m venv /opt/venv \
 && /opt/venv/bin/pip install --no-cache-dir --disable-pip-version-check --only-binary :all: --require-hashes \
    --no-compile -r /build/runtime.txt
COPY pyproject.toml README.md LICENSE /build/
COPY strava_assets /build/strava_assets
# Bytecode is worth half of a run's start; the file system is read-only later.
RUN /opt/venv/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps --no-compile /build \
 && /opt/venv/bin/pip uninstall --yes pip \
 && python -m compileall -q -j 0 /opt/venv/lib || true

FROM python:3.13-slim
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
