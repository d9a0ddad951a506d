import Foundation
import Testing

@Suite struct LabTests {
  private let nine = "0 1 2; 3 4 5; 6 7 8"

  /// Whether a file is SVG whose tags are closed and whose numbers are numbers.
  private func isDrawing(_ path: String) throws -> Bool {
    // Pictures inside it are text of any letters.
    let text = try String(contentsOfFile: path, encoding: .utf8).replacing(/base64,[^"]*/, with: "")
    func count(_ part: String) -> Int { text.components(separatedBy: part).count - 1 }
    return text.hasPrefix("<svg xmlns=") && !text.contains("nan") && !text.contains("inf")
      && ["svg", "text", "g", "style"].allSatisfy { count("<\($0) ") + count("<\($0)>") == count("</\($0)>") }
  }

  @Test func conv() throws {
    let folder = try TemporaryFolder()
    let (svg, html) = ("\(folder.path)/a.svg", "\(folder.path)/a.html")
    let result = try Convnet.run(
      "lab", "conv", "--input", nine, "--kernel", "0 1; 2 3", "--svg", svg, "--html", html)
    #expect(result.status == 0, "\(result.errors)")
    #expect(
      result.output == """
        0×0 + 1×1 + 3×2 + 4×3 = 19
        1×0 + 2×1 + 4×2 + 5×3 = 25
        3×0 + 4×1 + 6×2 + 7×3 = 37
        4×0 + 5×1 + 7×2 + 8×3 = 43

        output 2x2
          19 25
          37 43

        rows and columns: (3 - 2) / 1 + 1 = 2

        """)
    for (path, frames) in [(svg, 1), (html, 4)] {
      let text = try String(contentsOfFile: path, encoding: .utf8)
      // Five marks for each window: four inputs and the output.
      #expect(text.components(separatedBy: "class=\"mark\"").count - 1 == 5 * frames, "\(path)")
      #expect(text.contains("0×0 + 1×1 + 3×2 + 4×3 = 19") && text.contains("prefers-color-scheme: dark"))
      #expect(!text.contains("<script") && text.components(separatedBy: "http").count <= 2)
    }
    #expect(try isDrawing(svg))
  }

  @Test func convOfOneRow() throws {
    let result = try Convnet.run("lab", "conv", "--input", "0 1 0 1 1", "--kernel", "-1 1")
    #expect(result.output.hasPrefix("0×(-1) + 1×1 = 1\n1×(-1) + 0×1 = -1\n"), "\(result.errors)")
    let json = try Convnet.run(
      "lab", "conv", "--input", "0 1 0 1 1", "--kernel", "-1 1", "--padding", "1", "--stride", "2", "--json"
    ).object
    #expect(json["output"] as? [[[Double]]] == [[[0, -1, 0]]])
    #expect((json["windows"] as? [[String: Any]])?.count == 3)
  }

  @Test func convOfChannelsAndSteps() throws {
    func output(_ arguments: String...) throws -> [[[Double]]]? {
      try Convnet.run(["lab", "conv", "--json"] + arguments).object["output"] as? [[[Double]]]
    }
    let two = try output("--input", "\(nine)|1 2 3;4 5 6;7 8 9", "--kernel", "0,1;2,3 | 1,2;3,4")
    #expect(two == [[[56, 72], [104, 120]]])
    #expect(
      try output("--input", nine, "--kernel", "0 1; 2 3", "--stride", "3x2", "--padding", "1") == [[[0, 8], [6, 8]]])
    #expect(try output("--input", nine, "--kernel", "1 1; 1 1", "--dilation", "2") == [[[16]]])
    #expect(
      try output("--input", "1 2 3 4|5 6 7 8", "--kernel", "1 1", "--kernel", "1 -1", "--groups", "2", "--bias", "0 9")
        == [[[3, 5, 7]], [[8, 8, 8]]])
    #expect(
      try output("--input", "1 2 3", "--kernel", "1/2 1/2", "--padding", "same", "--borders", "circular")
        == [[[1.5, 2.5, 2]]])
    #expect(try output("--input", "1 2 3", "--kernel", "0 1", "--padding", "1:0", "--flip") == [[[0, 1, 2]]])
    #expect(
      try output("--input", "0 1 2;3 4 5", "--kernel", "1 1", "--padding", "0x0:1") == [[[1, 3, 2], [7, 9, 5]]])
  }

  @Test func convOfPlanes() throws {
    let folder = try TemporaryFolder()
    let (svg, html) = ("\(folder.path)/a.svg", "\(folder.path)/a.html")
    let arguments = ["lab", "conv", "--input", "1 2; 3 4;; 5 6; 7 8", "--kernel", "1 0; 0 0;; 0 0; 0 1"]
    let result = try Convnet.run(arguments + ["--svg", svg, "--html", html])
    #expect(result.output.hasPrefix("1×1 + 2×0 + 3×0 + 4×0 + 5×0 + 6×0 + 7×0 + 8×1 = 9\n"), "\(result.errors)")
    #expect(result.output.contains("planes, rows and columns: (2 - 2) / 1 + 1 = 1"))
    #expect(try isDrawing(svg))
    let json = try Convnet.run(arguments + ["--padding", "1", "--stride", "2", "--json"]).object
    #expect(json["output"] as? [[[[Double]]]] == [[[[1, 0], [0, 0]], [[0, 0], [0, 8]]]])
  }

  @Test func pool() throws {
    let grid = "12 10 3 2; 8 6 1 0; 4 7 5 7; 4 6 6 8"
    let json = try Convnet.run("lab", "pool", "--input", grid, "--json").object
    #expect(json["output"] as? [[[Double]]] == [[[12, 3], [7, 8]]])
    let average = try Convnet.run("lab", "pool", "--input", nine, "--kind", "average", "--stride", "1")
    #expect(average.output.hasPrefix("(0 + 1 + 3 + 4) / 4 = 2\n"), "\(average.errors)")
    let padded = try Convnet.run("lab", "pool", "--input", "-3 -1; -2 -4", "--padding", "1")
    #expect(padded.output.hasPrefix("max(-3) = -3\nmax(-1) = -1\n"), "\(padded.output)\(padded.errors)")
    for (kind, first) in [
      ("sum", "0 + 1 + 3 + 4 = 8"), ("min", "min(0, 1, 3, 4) = 0"), ("l2", "√(0² + 1² + 3² + 4²) = 5.09902"),
      ("variance", "((0 - 2)² + (1 - 2)² + (3 - 2)² + (4 - 2)²) / 4 = 2.5"),
    ] {
      let result = try Convnet.run("lab", "pool", "--input", nine, "--kind", kind, "--stride", "1")
      #expect(result.output.hasPrefix(first + "\n"), "\(result.output)\(result.errors)")
    }
    let maxout = try Convnet.run("lab", "pool", "--input", "1 2|5 0", "--kind", "maxout", "--json").object
    #expect(maxout["output"] as? [[[Double]]] == [[[5, 2]]])
    let global = try Convnet.run("lab", "pool", "--input", nine, "--kind", "average", "--global", "--json").object
    #expect(global["output"] as? [[[Double]]] == [[[4]]])
    let sixteen = (0..<4).map { row in (1...4).map { "\(4 * row + $0)" }.joined(separator: " ") }.joined(separator: ";")
    let ceil = try Convnet.run(
      "lab", "pool", "--input", sixteen, "--kind", "average", "--size", "3", "--stride", "2", "--padding", "1", "--ceil"
    )
    #expect(ceil.output.contains("(16 + 0 + 0 + 0) / 4 = 4") && ceil.output.contains("rounded up"))
    let even = try Convnet.run("lab", "pool", "--input", "3 1 2", "--padding", "same", "--stride", "1", "--json").object
    #expect(even["output"] as? [[[Double]]] == [[[3, 2, 2]]])
    let inside = try Convnet.run(
      "lab", "pool", "--input", "2 4", "--kind", "average", "--padding", "1", "--ignore-padding")
    #expect(inside.output.hasPrefix("(2) / 1 = 2\n(4) / 1 = 4\n"), "\(inside.output)")
  }

  @Test func arithmetic() throws {
    let answers = try Convnet.run("lab", "arithmetic", "--input", "256", "--output", "125", "--json").object
    let rows = try #require(answers["answers"] as? [[String: Int]])
    #expect(rows.first == ["kernel": 8, "stride": 2, "padding": 0, "unused": 0])
    let sizes = try Convnet.run(
      "lab", "arithmetic", "--input", "256", "--kernel", "3", "--stride", "2", "--padding", "1", "--json"
    ).object
    let conventions = try #require(sizes["conventions"] as? [[String: Any]])
    #expect(conventions.map { $0["output"] as? Int } == [128, 128, 128, 129, 128, 128, 127, 129])
    let list = try Convnet.run("lab", "arithmetic", "--input", "6", "--kernel", "3", "--stride", "2", "--json").object
    #expect((list["paddings"] as? [[String: Int]])?.map { $0["output"] } == [2, 3, 4])
    let pairs = try Convnet.run("lab", "arithmetic", "--input", "256", "--output", "125", "--layers", "2")
    #expect(pairs.output.contains("          3       2        1   128            4       1     125    1, 0\n"))
    let known = try Convnet.run(
      "lab", "arithmetic", "--input", "256", "--output", "128", "--kernel", "3", "--json"
    ).object
    #expect(known["answers"] as? [[String: Int]] == [["kernel": 3, "stride": 2, "padding": 1, "unused": 1]])
    let up = try Convnet.run("lab", "arithmetic", "--input", "28", "--kernel", "2", "--stride", "2", "--transposed")
    #expect(up.output.hasSuffix("= 56\n"), "\(up.errors)")
  }

  @Test func receptiveField() throws {
    let rows = try #require(try Convnet.run("lab", "receptive-field", "resnet20", "--json").json as? [[String: Any]])
    #expect(rows[0]["size"] as? [Int] == [3, 3] && rows[0]["start"] as? [Int] == [-1, -1])
    #expect(rows.last?["global"] as? Bool == true)
    #expect(try Convnet.run("lab", "receptive-field", "lenet").output.contains("operation"))
  }

  @Test func learnKernel() throws {
    let result = try Convnet.run("lab", "learn-kernel")
    let lecture = """
      epoch 2, loss 1.373
      epoch 4, loss 0.240
      epoch 6, loss 0.044
      epoch 8, loss 0.009
      epoch 10, loss 0.002
      weight [0.9975, -0.9905]
      """
    #expect(result.output.hasPrefix(lecture), "\(result.errors)")
    #expect(result.output.contains("below 1/30 = 0.03333; this one is 0.034: diverges"))
    let other = try Convnet.run("lab", "learn-kernel", "--start", "-1 1", "--steps", "500", "--json").object
    let weight = try #require(other["weight"] as? [Double])
    #expect(abs(weight[0] - 1) < 1e-5 && abs(weight[1] + 1) < 1e-5)
    #expect(try Convnet.run("lab", "learn-kernel", "--learning-rate", "1", "--steps", "500", "--json").status == 0)

    let folder = try TemporaryFolder()
    for rate in ["0.03", "0.034", "1"] {
      let drawn = try Convnet.run(
        "lab", "learn-kernel", "--learning-rate", rate, "--svg", "\(folder.path)/\(rate).svg")
      #expect(drawn.status == 0, "\(drawn.errors)")
      let document = try String(contentsOfFile: "\(folder.path)/\(rate).svg", encoding: .utf8)
      func count(_ tag: String) -> Int { document.components(separatedBy: "<\(tag) ").count - 1 }
      // A curve of the loss and a way through the valley for each rate.
      #expect(count("polyline") == (rate == "0.034" ? 2 : 4) && count("ellipse") == 6)
    }
  }

  @Test func edges() throws {
    let folder = try TemporaryFolder()
    #expect(try Convnet.run("samples", "\(folder.path)/samples", "--per-class", "1").status == 0)
    let image = "\(folder.path)/samples/Trouser/0.png"
    let result = try Convnet.run("lab", "edges", image, "--patches", "2", "--output", "\(folder.path)/maps", "--json")
    #expect(result.status == 0, "\(result.errors)")
    let features = try #require(try result.object["features"] as? [[Double]])
    #expect(features.count == 8 && features.allSatisfy { $0.count == 4 })
    for name in ["edges-000", "edges-315", "compass", "pooled"] {
      #expect(FileManager.default.fileExists(atPath: "\(folder.path)/maps/\(name).png"))
    }
    // The picture, and for each direction the map before and after ReLU.
    #expect(try isDrawing("\(folder.path)/maps/edges.svg"))
    let drawing = try String(contentsOfFile: "\(folder.path)/maps/edges.svg", encoding: .utf8)
    #expect(drawing.components(separatedBy: "<image ").count == 1 + 17)
    // Trousers stand upright: their edges look left and right.
    #expect(features[0].reduce(0, +) > 2 * features[2].reduce(0, +))
  }

  @Test func features() throws {
    let folder = try TemporaryFolder()
    let drawn = "\(folder.path)/drawn"
    let json = try Convnet.run("lab", "features", "--count", "10", "--output", drawn, "--json").object
    #expect(
      try Convnet.run("lab", "features", "--data", drawn, "--json").object["classes"] as? [String] == [
        "circle", "star",
      ])
    #expect((json["features"] as? [[String: Any]])?.map { $0["numbers"] as? Int } == [4096, 8, 128, 128])
    #expect(try Convnet.run("samples", "\(folder.path)/samples", "--per-class", "2").status == 0)
    let result = try Convnet.run("lab", "features", "--data", "\(folder.path)/samples", "--patches", "2")
    #expect(result.output.hasPrefix("10 classes, 10 examples, 10 pictures"), "\(result.output)\(result.errors)")
    let alone = try Convnet.run("samples", "\(folder.path)/alone", "--per-class", "1")
    #expect(alone.status == 0)
    let mistake = try Convnet.run("lab", "features", "--data", "\(folder.path)/alone")
    #expect(mistake.status == 1 && mistake.errors.contains("needs two pictures or more, but has 1"))
  }

  @Test func smooth() throws {
    let folder = try TemporaryFolder()
    let file = "\(folder.path)/ratings.csv"
    let lines = (1...28).map { "2026-02-\($0 < 10 ? "0" : "")\($0),\($0 % 2 == 0 ? 40 : 44)" }
    try (["date,approval"] + lines).joined(separator: "\r\n").write(toFile: file, atomically: true, encoding: .utf8)
    let (svg, csv, response) = ("\(folder.path)/plot.svg", "\(folder.path)/out.csv", "\(folder.path)/response.svg")
    let result = try Convnet.run(
      "lab", "smooth", file, "--window", "triangle", "--radius", "1", "--svg", svg, "--output", csv,
      "--response", response, "--join")
    #expect(result.output.contains("total variation  108 before, 2 after"), "\(result.output)\(result.errors)")
    // A triangle of 1, 2, 1 leaves (1 + cos(2 pi f)) / 2 of a wave: half at f = 1/4.
    #expect(result.output.contains("a wave that takes 4.0 values"))
    #expect(try isDrawing(svg) && isDrawing(response))
    let rows = try String(contentsOfFile: csv, encoding: .utf8).split(separator: "\n")
    #expect(rows.count == 29 && rows[2] == "2026-02-02,40.0,42.0")
    let far = try Convnet.run("lab", "smooth", file, "--padding", "reflect", "--radius", "28")
    #expect(far.errors.contains("more values than the radius, 28, but there are 28"), "\(far.errors)")

    for (text, message) in [
      ("", "there are no values"), ("t,x\n1,nan\n", "line 2: \"nan\" is no finite number"),
      ("1,2\n3\n", "line 2 has 1 columns"), ("2,1\n1,1\n", "line 2: times must ascend"),
      ("1,2,3\n", "line 1 has 3 columns"), ("x,1\n", "line 1: \"x\" is neither a number nor a date"),
      ("1,\u{1b}[2J", "line 1: \"\\u{1B}[2J\" is no"),
    ] {
      try text.write(toFile: file, atomically: true, encoding: .utf8)
      let result = try Convnet.run("lab", "smooth", file)
      #expect(result.status == 1 && result.errors.contains(message), "\(result.errors)")
      #expect(result.errorLines.count == 1 && result.errors.contains(file))
    }
  }

  @Test func filters() throws {
    let folder = try TemporaryFolder()
    let run = "\(folder.path)/run"
    #expect(try Convnet.run("train", "--epochs", "1", "--steps", "2", "--output", run).status == 0)
    let picture = "\(folder.path)/filters.png"
    let result = try Convnet.run("lab", "filters", "\(run)/model.safetensors", "--output", picture)
    #expect(result.status == 0 && FileManager.default.fileExists(atPath: picture), "\(result.errors)")
    #expect(result.output.contains("conv1.weight: 6 kernels of 5x5, one tile each"))
    let model = "\(run)/model.safetensors"
    let second = try Convnet.run("lab", "filters", model, "--layer", "conv2", "--output", picture)
    #expect(second.output.contains("16 kernels of 5x5, a row for each kernel's 6 channels"), "\(second.errors)")
    let random = try Convnet.run("lab", "filters", "resnet18", "--output", picture)
    #expect(random.output.contains("conv1.weight: 64 kernels of 7x7, as colours"), "\(random.errors)")
    let none = try Convnet.run("lab", "filters", model, "--layer", "fc1", "--output", picture)
    #expect(none.status == 1 && none.errors.contains("no convolution \"fc1\"; its convolutions are conv1, conv2"))
  }

  @Test func claims() throws {
    let list = try #require(try Convnet.run("lab", "claim", "--json").json as? [[String: Any]])
    #expect(list.map { $0["name"] as? String } == ["equivariance", "permutation", "borders", "stacking", "tensors"])
    let result = try Convnet.run("lab", "claim", "borders")
    #expect(result.status == 0 && result.output.contains("windows over the middle, padding 1                       9"))
    let json = try Convnet.run("lab", "claim", "stacking", "--json").object
    #expect(json["holds"] as? Bool == true)
  }

  /// A mistake ends with one line, wrong arguments also with how the command is used.
  @Test(arguments: [
    (
      ["conv", "--input", "1 2", "--kernel", "1", "--stride", "0"], 1, "the stride must be from 1 to 4096, but it is 0"
    ),
    (["conv", "--input", "1 2", "--kernel", "1 2 3"], 1, "the window covers 3 columns, but the input has only 2"),
    (["conv", "--input", "1 2", "--kernel", "1 2", "--dilation", "2"], 1, "the window covers 3 columns"),
    (["conv", "--input", "1 2; 3", "--kernel", "1"], 1, "--input: row 2 has 1 numbers, but the first row has 2"),
    (["conv", "--input", "1 nan", "--kernel", "1"], 1, "--input: \"nan\" is no finite number"),
    (["conv", "--input", "1 2", "--kernel", "x"], 1, "--kernel: \"x\" is no finite number"),
    (["conv", "--input", "", "--kernel", "1"], 1, "--input: channel 1 is empty"),
    (["conv", "--input", "1 | 2", "--kernel", "1"], 1, "the kernel has 1 channels, but the input has 2"),
    (["conv", "--input", "1 | 2 3", "--kernel", "1"], 1, "channel 2 is 1x2, but the first is 1x1"),
    (["conv", "--input", "1", "--kernel", "1", "--padding", "99999"], 1, "the padding must be from 0 to 4096"),
    (["conv", "--input", "1;1", "--kernel", "1", "--padding", "4096"], 1, "use fewer windows"),
    (["conv", "--input", "3e38 3e38", "--kernel", "1 1"], 1, "too large for float32"),
    (["conv", "--input", "1", "--kernel", "1", "--svg", "/nowhere/a.svg"], 1, "/nowhere"),
    (["conv", "--input", "1", "--kernel", "1", "--svg", "a.svg", "--step", "1"], 1, "there is no window 1"),
    (["conv", "--input", "1", "--kernel", "1", "--stride", "2y3"], 64, "--stride"),
    (["conv", "--input", "1 2", "--kernel", "1", "--kernel", "1 2"], 1, "the kernels must be of one size"),
    (
      ["conv", "--input", "1|2|3", "--kernel", "1", "--groups", "2"], 1, "3 input channels and 1 kernels do not divide"
    ),
    (["conv", "--input", "1|2", "--kernel", "1|1", "--kernel", "1|1", "--groups", "2"], 1, "each kernel needs 1 of"),
    (["conv", "--input", "1 2", "--kernel", "1", "--bias", "1 2"], 1, "1 kernels need as many biases, not 2"),
    (["conv", "--input", "1 2", "--kernel", "1", "--padding", "2", "--borders", "reflect"], 1, "by 1 at most"),
    (["conv", "--input", "1 2", "--kernel", "1/0"], 1, "--kernel: \"1/0\" is no finite number"),
    (["conv", "--input", "1;;2 3", "--kernel", "1"], 1, "plane 2 is 1x2, but the first is 1x1"),
    (["conv", "--input", "1", "--kernel", "1", "--padding", "4096x4096x4096", "--stride", "4096"], 1, "too much"),
    (["pool", "--input", "1|2", "--kind", "maxout", "--stride", "2"], 1, "maxout looks at one place at a time"),
    (["pool", "--input", "1|2|3", "--kind", "maxout"], 1, "groups of 2 channels, which do not divide the input's 3"),
    (["pool", "--input", "1 2; 3 4", "--size", "0"], 1, "the window must be from 1"),
    (["pool", "--input", "1 2; 3 4", "--padding", "2"], 1, "at most half its window"),
    (["arithmetic", "--input", "5"], 64, "give --kernel to compute an output size"),
    (
      ["arithmetic", "--input", "5", "--kernel", "3", "--stride", "0", "--padding", "0"], 1, "the stride must be from 1"
    ),
    (["arithmetic", "--input", "5", "--output", "9"], 1, "no kernel up to 11 makes 9 of 5"),
    (["arithmetic", "--input", "5", "--output", "3", "--stride", "0"], 1, "the stride must be from 1"),
    (["arithmetic", "--input", "5", "--output", "3", "--kernel", "9", "--padding", "0"], 1, "no layer with these"),
    (["arithmetic", "--input", "5", "--kernel", "3", "--transposed", "--output-padding", "1"], 1, "smaller than"),
    (["arithmetic", "--input", "9", "--output", "3", "--layers", "3"], 64, "--layers must be 1 or 2"),
    (["claim", "nothing"], 1, "there is no claim named \"nothing\"; the claims are: equivariance"),
    (["pool", "--input", "1", "--kind", "x"], 64, "Please provide one of the following: max, average"),
    (
      ["conv", "--input", "1", "--kernel", "1", "--padding", "-1"], 1,
      "the padding must be from 0 to 4096, but it is -1"
    ),
    (["features", "--count", "1"], 64, "--count must be from 2"),
    (["features", "--data", "/nowhere"], 1, "/nowhere"),
    (["receptive-field", "nothing"], 1, "there is no model named \"nothing\""),
    (["learn-kernel", "--start", "1"], 1, "the start must be two numbers"),
    (["learn-kernel", "--learning-rate", "nan"], 1, "the learning rate must be above 0"),
    (["edges", "/nowhere.png"], 1, "/nowhere.png"),
    (["smooth", "/nowhere.csv"], 1, "/nowhere.csv"),
    (["filters", "/nowhere.safetensors", "--output", "a.png"], 1, "/nowhere.safetensors"),
  ])
  func mistakes(arguments: [String], status: Int32, text: String) throws {
    let result = try Convnet.run(["lab"] + arguments)
    #expect(result.status == status)
    #expect(result.errors.hasPrefix("convnet: ") && result.errors.contains(text), "\(result.errors)")
    #expect(result.errorLines.count == (status == 1 ? 1 : 3))
    #expect(result.output.isEmpty)
  }
}
