"""One contender in a process of its own, with the protocol of `convnet bench --interactive`: a count on each line of
standard input runs that many iterations and is answered with one line of JSON.

usage: contenders.py KIND MODEL BATCH INPUT MODE THREADS FOLDER
KIND is nchw, nhwc, compiled (PyTorch), onnxruntime, openvino or ncnn; MODE inference or training.
"""

import json
import os
import sys
import time

import numpy


def example(batch, shape):
    return numpy.random.default_rng(0).random((batch, *shape), dtype=numpy.float32)


def pytorch(kind, model, x, training, threads, folder):
    import torch
    import networks

    torch.set_num_threads(threads)
    layout = torch.contiguous_format if kind == "nchw" else torch.channels_last
    before = memory()
    network = networks.make(model).to(memory_format=layout).train(training)
    x = torch.from_numpy(x).contiguous(memory_format=layout)
    if kind == "compiled":
        network = torch.compile(network)
    if not training:

        def run():
            with torch.inference_mode():
                return network(x).numpy()

        return run, before
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-3, momentum=0.9)
    with torch.no_grad():
        output = networks.make(model).eval()(x[:1].contiguous())
    labels = torch.arange(x.shape[0] * output[0, 0].numel()).reshape(x.shape[0], *output.shape[2:]) % output.shape[1]

    def step():
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(network(x), labels).backward()
        optimizer.step()

    return step, before


def onnxruntime(kind, model, x, training, threads, folder):
    import onnxruntime

    before = memory()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(
        path(folder, model, x.shape[0]), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda: session.run(None, {name: x})[0], before


def openvino(kind, model, x, training, threads, folder):
    import openvino

    before = memory()
    settings = {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
    request = openvino.Core().compile_model(path(folder, model, x.shape[0]), "CPU", settings).create_infer_request()
    return lambda: next(iter(request.infer({0: x}).values())), before


def ncnn(kind, model, x, training, threads, folder):
    import ncnn

    before = memory()
    network = ncnn.Net()
    network.opt.num_threads = threads
    # Single precision throughout, as the others.
    network.opt.use_fp16_packed = network.opt.use_fp16_storage = network.opt.use_fp16_arithmetic = False
    network.opt.use_bf16_storage = False
    stem = os.path.join(folder, f"{model}.ncnn")
    network.load_param(stem + ".param")
    network.load_model(stem + ".bin")

    def run():
        with network.create_extractor() as extractor:
            extractor.input("in0", ncnn.Mat(x[0]))
            return numpy.array(extractor.extract("out0")[1])[None]

    return run, before


def path(folder, model, batch):
    return os.path.join(folder, f"{model}_{batch}.onnx")


def memory():
    """The most bytes that this process ever held. (getrusage counts what the parent held before it became another.)"""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))


KINDS = {"nchw": pytorch, "nhwc": pytorch, "compiled": pytorch, "onnxruntime": onnxruntime, "openvino": openvino,
         "ncnn": ncnn}


def main():
    kind, model, batch, shape, mode, threads, folder = sys.argv[1:]
    x = example(int(batch), [int(extent) for extent in shape.split("x")])
    run, before = KINDS[kind](kind, model, x, mode == "training", int(threads), folder)
    output = run()
    if mode == "inference":
        numpy.save(os.path.join(folder, f"{kind}.npy"), output)
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        times = []
        for _ in range(int(line)):
            start = time.perf_counter()
            run()
            times.append((time.perf_counter() - start) * 1e3)
        print(json.dumps({"milliseconds": times, "peak_bytes": memory(), "base_bytes": before}), flush=True)


if __name__ == "__main__":
    main()
