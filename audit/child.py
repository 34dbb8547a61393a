"""ComfyUI's main.py as a child that ends with whoever started it: python child.py FOLDER main.py ARGUMENTS...

Its standard input is a pipe that nobody writes into. The system closes it when the other side ends, by kill -9 too, on
Linux, macOS and Windows alike. Then the folder is removed, and this process ends: on Linux and macOS with all that it
has started (it must have a session of its own), on Windows alone. It runs in ComfyUI's Python, and imports nothing of
this package.
"""

import os
import runpy
import shutil
import signal
import sys
import threading


def end_with(pipe: int, folder: str) -> None:
    os.read(pipe, 1)  # returns at the end of the other side
    shutil.rmtree(folder, ignore_errors=True)
    if hasattr(os, "killpg"):
        os.killpg(os.getpgrp(), signal.SIGKILL)
    os._exit(1)


def main() -> None:
    folder, script, *arguments = sys.argv[1:]
    pipe = os.dup(0)  # not inherited by what ComfyUI starts
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    threading.Thread(target=end_with, args=(pipe, folder), daemon=True).start()
    script, here = os.path.abspath(script), os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [os.path.dirname(script), *(each for each in sys.path if os.path.abspath(each) != here)]
    sys.argv[:] = [script, *arguments]
    runpy.run_path(script, run_name="__main__")


if __name__ == "__main__":
    main()
