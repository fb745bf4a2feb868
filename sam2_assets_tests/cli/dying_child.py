"""In place of a child: it ends as one that the system kills for want of memory."""

import os
import signal

if __name__ == "__main__":
    os.kill(os.getpid(), signal.SIGKILL)
