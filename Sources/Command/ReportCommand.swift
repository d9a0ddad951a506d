import ArgumentParser
import ConvNet

struct ReportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "report", abstract: "Write a run's report.html anew.",
    discussion: """
      `train` writes the report at its end; this makes it again from the run's folder and its data, for example for a \
      run of an older version. It also fits the model's calibration and stores it in model.safetensors.
      """)

  @Argument(help: ArgumentHelp("The run's folder.", valueName: "run")) var path: String
  @OptionGroup var threads: ThreadOptions

  func run() throws {
    threads.apply()
    let folder = RunFolder(path)
    var reporter = try RunReporter(folder)
    try reporter.write { writeToStandardError("\($0)\n") }
    print("the report is \(folder.reportPath)")
  }
}
