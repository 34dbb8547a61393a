"""What `make bench` measures in processes of their own: loading the pack, and the most memory that a variant holds."""

import contextlib
import json
import resource
import statistics
import subprocess
import sys
import time

ROUNDS = 7


def import_cost() -> dict:
    """Milliseconds to import the pack where the host is loaded, median of ROUNDS; and whether matplotlib came along."""
    found = [_run("import") for _ in range(ROUNDS)]
    milliseconds = statistics.median(one["milliseconds"] for one in found)
    return {"milliseconds": milliseconds, "matplotlib": any(one["matplotlib"] for one in found)}


def peak_memory(variant: str) -> int:
    """MB at most, of a process that loads the UNet of SD 1.5 and samples two steps with one of ON_UNET."""
    return _run("memory", variant)["peak"]


def _run(*arguments: str) -> dict:
    command = [sys.executable, __file__, *arguments]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])


def _import_pack() -> dict:
    import comfy.cli_args

    comfy.cli_args.args.cpu = True
    import comfy.sample
    import comfy.sd
    from pack import load_pack

    with contextlib.suppress(ImportError):  # the sampling library alone has neither
        import server  # noqa: F401

        import nodes  # noqa: F401

    started = time.perf_counter()
    load_pack()
    return {"milliseconds": (time.perf_counter() - started) * 1000, "matplotlib": "matplotlib" in sys.modules}


def _sample(variant: str) -> dict:
    from sampling_cost import VARIANTS, sampling
    from sd15 import load_sd15, prompt

    sampling(VARIANTS[variant], load_sd15(), (prompt(1), prompt(2)), 2, (1, 4, 32, 32))()
    return {"peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}


if __name__ == "__main__":
    print(json.dumps(_import_pack() if sys.argv[1] == "import" else _sample(sys.argv[2])))
