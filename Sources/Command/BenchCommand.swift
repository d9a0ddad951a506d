import ArgumentParser
import ConvNet
import Foundation

struct BenchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench", abstract: "Time a model on made-up images, or the loading of images for it.",
    discussion: """
      With --interactive, a count on each line of standard input runs that many iterations and is answered with one \
      line of JSON, {"milliseconds": [...], "peak_bytes": ..., "base_bytes": ...}, so that contenders can take turns in \
      one session. Of the most memory that the process ever held, base_bytes is what it held before it read the network.
      """)

  @Argument(help: "An architecture (`convnet models` lists them), a model file, or an ONNX file.") var model: String
  @Option(help: "Images in a run.") var batch = 1
  @Option(
    help: ArgumentHelp("Channels, height and width of an image, such as 3x224x224.", valueName: "CxHxW"),
    transform: InputExtents.init) var input: InputExtents?
  @Flag(help: "Time training steps: forward, backward and update.") var train = false
  @Option(help: "How many runs to time.") var iterations = 20
  @Option(help: "Time how fast this folder of images is loaded as for training, instead of computing.")
  var data: String?
  @Option(help: "With --data: none, light, standard, strong, or a JSON file of steps. (default: as in `train`)")
  var augment: String?
  @Flag(help: "Do not use Winograd's algorithm.") var noWinograd = false
  @Flag(help: "Show each kernel: time, algorithm, rates and share.") var profile = false
  @Flag(help: "Answer counts on standard input with times.") var interactive = false
  @Flag(help: "Print the result as JSON.") var json = false
  @OptionGroup var threads: ThreadOptions

  func validate() throws {
    if !(1...65536).contains(batch) { throw ValidationError("--batch must be from 1 to 65536, not \(batch)") }
    if augment != nil && data == nil { throw ValidationError("--augment needs --data") }
    if data != nil && (train || profile || interactive) {
      throw ValidationError("--data times loading alone; leave --train, --profile and --interactive out")
    }
    if iterations < 1 { throw ValidationError("--iterations must be at least 1, not \(iterations)") }
  }

  func run() throws {
    threads.apply()
    if let data { return try load(data) }
    let benchmark = try makeBenchmark()
    if interactive { return try answer(benchmark) }
    if !json {
      let (arena, parameters) = (benchmark.arenaBytes, benchmark.parameterBytes)
      writeToStandardError(
        "memory: \(arena.formattedByteCount) for intermediates, \(parameters.formattedByteCount) for parameters, "
          + "\((benchmark.baseBytes + arena + parameters).formattedByteCount) with the program itself\n")
    }
    if profile { return try show(benchmark.profile(iterations: iterations)) }
    let report = try benchmark.report(iterations: iterations)
    if json { return try printJSON(report) }
    print(
      String(
        format: "%@ %@, batch %d: median %.3f ms, least %.3f ms, %.1f images/s, %.1f GFLOP/s, peak memory %@",
        report.model, report.mode, report.batch, report.medianMilliseconds, report.minimumMilliseconds,
        report.imagesPerSecond, report.gigaflopsPerSecond, report.peakBytes.formattedByteCount))
  }

  /// The model's weights go as the plan packs them.
  private func makeBenchmark() throws -> Benchmark {
    let before = Benchmark.peakMemory
    let named = try findModel(model, input: input, classes: nil, withNumbers: true)
    let (title, input) = (named.title, named.configuration.inputShape(batch: batch))
    return try Benchmark(
      (consume named).layer, name: title, input: input, isTraining: train, allowsWinograd: !noWinograd,
      baseBytes: before)
  }

  private func load(_ data: String) throws {
    let report = try LoadingBenchmark(
      data, augmentation: augment.map { try Augmentation(named: $0) },
      for: findModel(model, input: input, classes: nil).configuration,
      threads: threads.threads ?? ProcessInfo.processInfo.activeProcessorCount)
    if json { return try printJSON(report) }
    print(
      String(
        format: "%d images: %.1f images/s on %d threads, %.3f ms of one thread for an image", report.images,
        report.imagesPerSecond, report.threads, report.millisecondsPerImage))
  }

  private func answer(_ benchmark: Benchmark) throws {
    while let line = readLine() {
      guard let count = Int(line.trimmingCharacters(in: .whitespaces)), (1...100_000).contains(count) else {
        throw CommandError("--interactive: a line must be a count from 1 to 100000, not \"\(line.prefix(40))\"")
      }
      let times = try benchmark.run(iterations: count)
      let list = times.map { String(format: "%.4f", $0) }.joined(separator: ", ")
      // Unbuffered: the other side waits for the answer.
      let line =
        "{\"milliseconds\": [\(list)], \"peak_bytes\": \(Benchmark.peakMemory), "
        + "\"base_bytes\": \(benchmark.baseBytes)}\n"
      FileHandle.standardOutput.write(Data(line.utf8))
    }
  }

  private func show(_ rows: [KernelTime]) throws {
    if json { return try printJSON(rows) }
    let total = rows.reduce(0) { $0 + $1.milliseconds }
    var table = TextTable([
      ("node", .left), ("operation", .left), ("algorithm", .left), ("ms", .right), ("share", .right),
      ("GFLOP/s", .right), ("GB/s", .right), ("bytes", .right),
    ])
    for row in rows {
      table.append([
        row.node, row.operation, row.algorithm, String(format: "%.3f", row.milliseconds),
        String(format: "%.1f %%", row.milliseconds / total * 100),
        row.multiplyAccumulates == 0 ? "" : String(format: "%.1f", row.gigaflopsPerSecond),
        String(format: "%.1f", row.gigabytesPerSecond), row.bytes.formattedByteCount,
      ])
    }
    table.append(["total", "", "", String(format: "%.3f", total), "", "", "", ""])
    print(table.text)
  }
}
