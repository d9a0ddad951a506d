import Foundation
import Testing

/// What `bench` says about networks of each rank, not how fast they are.
@Suite struct BenchTests {
  static let fixtures = ONNXCommandTests.fixtures

  @Test(arguments: [("lenet", 1), ("\(fixtures)/signal.onnx", 3)])
  func reportsTimeRateAndMemory(model: String, batch: Int) throws {
    let report = try Convnet.run(
      "bench", model, "--batch", "\(batch)", "--iterations", "3", "--json"
    ).object
    func number(_ name: String) throws -> Double { try #require(report[name] as? Double) }
    let (median, least) = try (number("median_ms"), number("minimum_ms"))
    #expect(0 < least && least <= median)
    #expect(try abs(number("images_per_second") * median / 1e3 - Double(batch)) < 1e-6 * Double(batch))
    #expect(try number("gflops") > 0 && number("arena_bytes") > 0 && number("parameter_bytes") > 0)
    #expect(try number("base_bytes") <= number("peak_bytes"))
    #expect(report["batch"] as? Int == batch && report["mode"] as? String == "inference")
  }

  @Test func sizesThatAFileLeavesOpenAreAskedFor() throws {
    let volume = "\(Self.fixtures)/volume.onnx"
    let missing = try Convnet.run("bench", volume)
    #expect(missing.status == 1)
    #expect(
      missing.errorLines == [
        "convnet: \(volume): takes inputs of any size; choose one, such as --input 1x16x112x112"
      ])
    let plane = try Convnet.run("bench", volume, "--input", "1x8x8")
    #expect(plane.status == 1)
    #expect(
      plane.errorLines == [
        "convnet: \(volume): takes channels and 3 extents, such as --input 1x16x112x112, not 1x8x8"
      ])
    let training = try Convnet.run("bench", volume, "--input", "1x6x7x8", "--train", "--iterations", "2", "--json")
    #expect(try training.object["mode"] as? String == "training", "\(training.errors)")
  }

  /// The multiply-accumulates of the direct algorithm: 3 x 2 x 5 taps at each of 16 positions.
  @Test func profilesEachKernel() throws {
    let result = try Convnet.run("bench", "\(Self.fixtures)/signal.onnx", "--profile", "--iterations", "2", "--json")
    let rows = try #require(try result.json as? [[String: Any]])
    let products = rows.compactMap { $0["multiply_accumulates"] as? Int }
    #expect(products.reduce(0, +) == 480, "\(result.output)")
    #expect(rows.allSatisfy { $0["algorithm"] is String && ($0["ms"] as? Double ?? -1) >= 0 })
  }

  @Test func answersCounts() throws {
    let result = try Convnet.run(["bench", "lenet", "--interactive"], input: "2\n3\n")
    #expect(result.status == 0, "\(result.errors)")
    let counts = try result.output.split(separator: "\n").map { line in
      let answer = try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
      return (answer["milliseconds"] as? [Double])?.count
    }
    #expect(counts == [2, 3])

    let wrong = try Convnet.run(["bench", "lenet", "--interactive"], input: "many\n")
    #expect(wrong.status == 1)
    #expect(
      wrong.errorLines == ["convnet: --interactive: a line must be a count from 1 to 100000, not \"many\""])
  }
}
