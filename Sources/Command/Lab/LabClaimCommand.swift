import ArgumentParser
import ConvNet
import Formats

struct LabClaimCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "claim",
    abstract: "Put what lectures say about convolution to the test, in seconds.",
    discussion: "Without a name all claims are listed. Ends with status 1 if a number is not as claimed.")

  @Argument(help: "The claim.") var name: String?
  @Flag(help: "Print JSON.") var json = false

  func run() throws {
    guard let name else {
      if json {
        printJSON(.array(Claim.all.map { ["name": .string($0.name), "statement": .string($0.statement)] }))
      } else {
        print(Claim.all.map { "\($0.name)\n  \($0.statement)" }.joined(separator: "\n"))
      }
      return
    }
    let result = try Claim(named: name).run()
    if json { printJSON(result.json) } else { print(result) }
    if !result.holds { throw ExitCode.failure }
  }
}
