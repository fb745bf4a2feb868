#!/bin/sh
# Once at every start of the services: buckets, and the limits of the pools, which hold only once they are stored.
set -eu
python3 - <<'PYTHON'
import os
import time

import boto3
from botocore.exceptions import BotoCoreError, ClientError

wanted = [os.environ["SAM2_ASSETS_ROOT"].removeprefix("s3://").partition("/")[0], os.environ["SAM2_ASSETS_LOG_BUCKET"]]
s3 = boto3.client("s3")
for attempt in range(120):
    try:
        there = {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]}
        for name in wanted:
            if name not in there:
                s3.create_bucket(Bucket=name)
        break
    except (BotoCoreError, ClientError) as error:
        if attempt == 119:
            raise
        print("storage does not answer yet:", type(error).__name__, flush=True)
        time.sleep(1)
PYTHON
# A limit that somebody set stays, 0 too.
limits=$(dagster instance concurrency get --all)
for pool in gpu image; do
  case $limits in
    *"\"$pool\""*) ;;
    *) dagster instance concurrency set "$pool" 1 ;;
  esac
done
