#!/bin/sh
# SeaweedFS as an S3 server on port 8333, data in /var/lib/services. Needs AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.
set -eu
umask 077
mkdir -p /var/lib/services/storage
cat >/tmp/s3.json <<JSON
{"identities": [{"name": "sam2", "credentials": [{"accessKey": "$AWS_ACCESS_KEY_ID", "secretKey": "$AWS_SECRET_ACCESS_KEY"}],
  "actions": ["Admin", "Read", "Write", "List", "Tagging"]}]}
JSON
export WEED_MASTER_VOLUME_GROWTH_COPY_1=1
exec weed server -dir=/var/lib/services/storage -ip=127.0.0.1 -ip.bind=0.0.0.0 -s3 -s3.config=/tmp/s3.json \
  -s3.port=8333 -s3.port.iceberg=0 -s3.port.lance=0 -master.telemetry=false -volume.max=1000 -master.volumeSizeLimitMB=1024
