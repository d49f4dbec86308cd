"""The peak FMA rate of one core: what a machine's arithmetic could do at best.

Independent chains of float32 fused multiply-adds that stay in registers, built like nthrun's own
native code.

    python benchmarks/fma_peak.py
"""

from __future__ import annotations

import ctypes
import sys
import time
from pathlib import Path

import click

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # nthrun from this checkout

from nthrun.compiler.library import load
from nthrun.planning.machine import cpu_model

CHAINS = 12
ITERATIONS = 2_000_000
SOURCE = """
typedef float vector __attribute__((vector_size(BYTES)));
extern "C" float spin(long iterations, float scale, float shift) {
    vector chain[CHAINS], a = vector{} + scale, b = vector{} + shift;
    for (int i = 0; i < CHAINS; ++i) chain[i] = vector{} + float(i);  // no two are equal
    for (long n = 0; n < iterations; ++n) {
#pragma GCC unroll CHAINS
        for (int i = 0; i < CHAINS; ++i) chain[i] = chain[i] * a + b;
    }
    for (int i = 1; i < CHAINS; ++i) chain[0] += chain[i];
    return chain[0][0];
}
"""


def fma_peak() -> float:
    """Float32 fused multiply-adds per CPU-second of one core.

    Raises:
        CompileError: there is no C++ compiler.
    """
    vector_bytes = 64 if "avx512f" in cpu_model() else 32
    text = SOURCE.replace("BYTES", str(vector_bytes)).replace("CHAINS", str(CHAINS))
    spin = load(text).spin
    spin.argtypes, spin.restype = [ctypes.c_long, ctypes.c_float, ctypes.c_float], ctypes.c_float
    spin(ITERATIONS, 0.5, 1.0)
    started = time.process_time()
    spin(ITERATIONS, 0.5, 1.0)
    return ITERATIONS * CHAINS * vector_bytes / 4 / (time.process_time() - started)


@click.command()
@click.option("--rounds", default=5, show_default=True, help="Measurements, of which the best.")
def main(rounds: int) -> None:
    """Print the rate in 10⁹ a second."""
    best = max(fma_peak() for _ in range(rounds))
    click.echo(f"{cpu_model()}: {best / 1e9:.1f}e9 float32 FMA per CPU-second of one core")


if __name__ == "__main__":
    main()
