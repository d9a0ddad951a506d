"""Trains the same networks with and without Winograd's algorithm, over several seeds, and prints a table. Needs nothing
but Python's standard library.

    python3 convergence.py ../.build/release/convnet [DATA]

DATA is a folder of Fashion-MNIST's IDX files; without it the embedded subset is used.
"""

import argparse
import json
import os
import statistics
import subprocess
import tempfile

RUNS = {  # network: options of `train`
    "vgg_small": ["--epochs", "2", "--optimizer", "sgd", "--learning-rate", "0.02"],
    "resnet20": ["--epochs", "2", "--optimizer", "sgd", "--learning-rate", "0.1"],
}


def train(command, data, name, seed, winograd, steps, folder):
    run = os.path.join(folder, f"{name}-{seed}-{winograd}")
    arguments = [command, "train", *([data] if data else []), "--model", name, *RUNS[name], "--augment", "none",
                 "--seed", str(seed), "--json", "--output", run]
    if steps:
        arguments += ["--steps", str(steps)]
    if not winograd:
        arguments.append("--no-winograd")
    result = json.loads(subprocess.check_output(arguments, stderr=subprocess.DEVNULL))
    last = result["epochs"][-1]
    return last["train_loss"], last["validation_loss"], 100 * last["validation_accuracy"], sum(
        epoch["seconds"] for epoch in result["epochs"])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", help="the convnet command")
    parser.add_argument("data", nargs="?")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, help="end each run after so many")
    parser.add_argument("--only", nargs="*", choices=list(RUNS), default=list(RUNS))
    options = parser.parse_args()
    command = os.path.abspath(options.command)
    print("| network | algorithm | training loss | validation loss | accuracy, % | by seed | s |\n"
          "|---|---|---|---|---|---|---|")
    for name in options.only:
        results = {True: [], False: []}
        with tempfile.TemporaryDirectory() as folder:
            for seed in range(options.seeds):
                for winograd in (True, False):
                    results[winograd].append(
                        train(command, options.data, name, seed, winograd, options.steps, folder))
        for winograd, rows in results.items():
            losses, validation, accuracy, seconds = zip(*rows)
            cell = lambda values, digits: f"{statistics.mean(values):.{digits}f} ± {statistics.stdev(values):.{digits}f}"
            seeds = ", ".join(f"{value:.2f}" for value in accuracy)
            print(f"| {name} | {'Winograd' if winograd else 'direct'} | {cell(losses, 4)} | {cell(validation, 4)} "
                  f"| {cell(accuracy, 2)} | {seeds} | {statistics.mean(seconds):.1f} |")
        pairs = [fast[2] - exact[2] for fast, exact in zip(results[True], results[False])]
        print(f"| {name} | difference | | | {statistics.mean(pairs):+.2f} ± {statistics.stdev(pairs):.2f} "
              f"| {', '.join(f'{pair:+.2f}' for pair in pairs)} | |", flush=True)


main()
