import Inspect
import Layers
import Models
import Testing

@Suite struct SummaryTests {
  func summary(_ name: String, channels: Int? = nil, classes: Int? = nil, side: Int? = nil) throws -> Summary {
    var configuration = try ModelRegistry.architecture(named: name).standard
    configuration.channels = channels ?? configuration.channels
    configuration.classes = classes ?? configuration.classes
    if let side { configuration.imageSize = [side, side] }
    return try Summary(
      of: ModelRegistry.makeStructure(configuration), input: configuration.inputShape(batch: 3), name: name)
  }

  /// Out of kernel sizes and map sizes alone.
  @Test func totalsByHand() throws {
    func conv(_ inside: Int, _ out: Int, _ kernel: Int, _ side: Int) -> (Int, Int) {
      (inside * out * kernel * kernel, inside * out * kernel * kernel * side * side)
    }
    var (parameters, macs) = (0, 0)
    func add(_ layer: (Int, Int), norm: Int) {
      parameters += layer.0 + 2 * norm
      macs += layer.1
    }
    add(conv(3, 64, 7, 112), norm: 64)
    var width = 64
    for (stage, side) in [56, 28, 14, 7].enumerated() {
      let out = 64 << stage
      for inside in [width, out] {
        add(conv(inside, out, 3, side), norm: out)
        add(conv(out, out, 3, side), norm: out)
        if inside != out { add(conv(inside, out, 1, side), norm: out) }
      }
      width = out
    }
    let resnet18 = try summary("resnet18")
    #expect(resnet18.parameters == parameters + 512 * 1000 + 1000)
    #expect(resnet18.multiplyAccumulates == macs + 512 * 1000)

    (parameters, macs, width) = (0, 0, 16)
    add(conv(3, 16, 3, 32), norm: 16)
    for (stage, side) in [32, 16, 8].enumerated() {
      let out = 16 << stage
      for block in 0..<3 {
        add(conv(block == 0 ? width : out, out, 3, side), norm: out)
        add(conv(out, out, 3, side), norm: out)
      }
      width = out
    }
    let resnet20 = try summary("resnet20")
    #expect(resnet20.parameters == parameters + 64 * 10 + 10)
    #expect(resnet20.multiplyAccumulates == macs + 64 * 10)
  }

  @Test func rowsOfLeNet() throws {
    let rows = try summary("lenet").rows
    #expect(
      rows.map(\.path) == [
        "conv1", "relu", "max_pool2d", "conv2", "relu_1", "max_pool2d_1", "flatten", "fc1", "relu_2", "fc2", "relu_3",
        "fc3",
      ])
    #expect(
      rows.prefix(7).map(\.output) == [
        [6, 28, 28], [6, 28, 28], [6, 14, 14], [16, 10, 10], [16, 10, 10], [16, 5, 5], [400],
      ])
    #expect(
      rows.prefix(6).map { $0.receptiveField?.size } == [[5, 5], [5, 5], [6, 6], [14, 14], [14, 14], [16, 16]])
    #expect(rows.prefix(6).map { $0.receptiveField?.stride } == [[1, 1], [1, 1], [2, 2], [2, 2], [2, 2], [4, 4]])
    #expect(rows.dropFirst(6).allSatisfy { $0.receptiveField?.isGlobal == true })
    #expect(rows.map(\.parameters) == [156, 0, 0, 2416, 0, 0, 0, 48_120, 0, 10_164, 0, 850])
    #expect(rows.map(\.multiplyAccumulates) == [117_600, 0, 0, 240_000, 0, 0, 0, 48_000, 0, 10_080, 0, 840])
  }

  /// By Araujo et al., "Computing receptive fields", 2019: a ResNet-18's last convolution sees 435 elements.
  @Test func receptiveFieldsOfResNets() throws {
    func field(_ name: String, _ path: String) throws -> ReceptiveField? {
      try summary(name).rows.first { $0.path == path }?.receptiveField
    }
    #expect(try field("resnet18", "layer4.1.conv2")?.size == [435, 435])
    #expect(try field("resnet18", "layer4.1.conv2")?.stride == [32, 32])
    #expect(try field("resnet18", "layer1.1.conv2")?.size == [43, 43])
    // 1 + 2 * (1 stem + 6) at stride 1, 2 * (1 * 1 + 5 * 2) at stride 2, 2 * (1 * 2 + 5 * 4) at stride 4.
    #expect(try field("resnet20", "layer3.2.conv2")?.size == [15 + 22 + 44, 81])
    #expect(try field("resnet18", "fc")?.isGlobal == true)
  }

  @Test func anyChannelsAndClasses() throws {
    for name in smallModelNames {
      for (channels, classes) in [(1, 1), (3, 7), (5, 1000)] {
        let summary = try summary(name, channels: channels, classes: classes, side: 64)
        #expect(summary.input == [channels, 64, 64])
        #expect(summary.output == [classes])
      }
    }
    // One more input channel is one more slice of the first kernels; one more class one more row and its bias.
    #expect(try summary("resnet18", channels: 4).parameters == 11_689_512 + 64 * 49)
    #expect(try summary("lenet", classes: 11).parameters == 61_706 + 85)
  }

  @Test func sharedParametersCountOnce() throws {
    struct Twice: Layer {
      var conv = Conv2D(in: 2, out: 2, kernel: 3, padding: 1)
      static var fields: [Field<Self>] { [.init("conv", \.conv)] }
      func callAsFunction(_ x: Tensor) -> Tensor { conv(conv(x)) }
    }
    let summary = try Summary(of: Twice(), input: [1, 2, 8, 8], name: "twice")
    #expect(summary.parameters == 38)
    #expect(summary.rows.map(\.parameters) == [38, 0])
    #expect(summary.multiplyAccumulates == 2 * 64 * 36)
    #expect(summary.rows[1].receptiveField?.size == [5, 5])
  }

  @Test func text() throws {
    let lines = try summary("lenet").description.split(separator: "\n", omittingEmptySubsequences: false)
    #expect(lines[0] == "lenet, input 1x32x32, output 10")
    #expect(lines[2] == "layer         operation   output    parameters     MACs  rec. field  stride")
    #expect(lines[4] == "conv1         conv2d      6x28x28          156  117,600           5       1")
    #expect(lines[10] == "flatten       flatten     400                -        -      global       -")
    #expect(lines.contains("parameters            61,706 (247 kB in float32)"))
    #expect(lines.contains("multiply-accumulates  416,520"))
    #expect(lines.allSatisfy { $0.last != " " && $0.count <= 100 })
  }

  @Test func json() throws {
    let text = try summary("lenet", side: 28).json.formatted()
    #expect(
      text.hasPrefix(
        """
        {
          "model": "lenet",
          "input": [1, 28, 28],
          "parameters": 44426,
          "macs": 281640,
          "output": [10],
        """))
    #expect(
      text.contains(
        """
            {
              "path": "conv1",
              "operation": "conv2d",
              "output": [6, 24, 24],
              "parameters": 156,
              "macs": 86400,
              "receptive_field": [5, 5],
              "stride": [1, 1]
            },
        """))
  }

  @Test func numbersForPeople() {
    #expect([0, 999, 1000, -1_234_567].map(\.grouped) == ["0", "999", "1,000", "-1,234,567"])
    #expect(
      [0, 999, 1500, 99_940, 99_960, 999_499, 999_600, 46_796_448].map(\.formattedByteCount)
        == ["0 bytes", "999 bytes", "1.5 kB", "99.9 kB", "100 kB", "999 kB", "1.0 MB", "46.8 MB"])
  }
}
