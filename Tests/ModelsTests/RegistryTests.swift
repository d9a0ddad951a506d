import Layers
import Models
import Testing

@Suite struct RegistryTests {
  @Test(arguments: ModelRegistry.architectures)
  func tooSmallImages(architecture: Architecture) throws {
    let minimum = architecture.minimumImageSize
    let rank = architecture.standard.imageSize.count
    var configuration = architecture.standard
    configuration.imageSize = .init(repeating: minimum, count: rank)
    let least = configuration.imageSize.map(String.init).joined(separator: "x")
    let model = try ModelRegistry.makeStructure(configuration)
    #expect(throws: Never.self) { try trace(AnyLayer(model), input: configuration.inputShape()) }

    configuration.imageSize[rank - 1] -= 1
    let size = configuration.imageSize.map(String.init).joined(separator: "x")
    let error = #expect(throws: ModelError.self) { try ModelRegistry.make(configuration) }
    #expect(
      error?.description == "\(architecture.name) needs images of at least \(least), but they are \(size);"
        + " use larger images or choose a shallower model")
    configuration.imageSize = .init(repeating: 64, count: rank + 1)
    #expect(throws: ModelError.self) { try ModelRegistry.makeStructure(configuration) }
  }

  /// Any number of input and output channels, at a size that is neither standard nor square.
  @Test(arguments: ModelRegistry.architectures)
  func anyChannelsAndClasses(architecture: Architecture) throws {
    var configuration = architecture.standard
    configuration.channels += 2
    configuration.classes += 3
    let last = configuration.imageSize.count - 1
    configuration.imageSize[last] += architecture.name == "perceptron" ? 1 : 8
    let model = AnyLayer(try ModelRegistry.makeStructure(configuration))
    let traced = try trace(model, input: configuration.inputShape(batch: 2))
    let output = traced.graph[traced.graph.outputs[0].value].type.shape
    let channels = architecture.task == .reconstruction ? configuration.channels : configuration.classes
    #expect(output[0] == 2 && output[1] == channels)
    #expect((output.rank == 2) == (architecture.task == .classification))
    if architecture.task == .reconstruction { #expect(output == configuration.inputShape(batch: 2)) }
  }

  @Test func unusableConfigurations() throws {
    var configuration = try ModelRegistry.architecture(named: "lenet").standard
    configuration.classes = 0
    let error = #expect(throws: ModelError.self) { try ModelRegistry.make(configuration) }
    #expect(error?.description == "lenet: 0 classes and 1 channels; both must be at least 1 and at most 1048576")
    let unknown = #expect(throws: ModelError.self) { try ModelRegistry.architecture(named: "resnet81") }
    #expect(
      unknown?.description == "there is no model named \"resnet81\"; did you mean resnet101 or resnet110 or resnet18?"
        + " `convnet models` lists all")
    var step = try ModelRegistry.architecture(named: "cyclegan_generator").standard
    step.imageSize = [256, 254]
    #expect(throws: ModelError.self) { try ModelRegistry.make(step) }
  }

  @Test func keysAndShapesOfResNet18AreTorchvisions() throws {
    let expected = try fixture("resnet18_keys.txt").map { $0.joined(separator: " ") }
    let standard = try ModelRegistry.architecture(named: "resnet18").standard
    let found = AnyLayer(try ModelRegistry.makeStructure(standard)).parameters.map { "\($0.path) \($0.tensor.shape)" }
    #expect(expected.count == 102)
    #expect(found == expected)
  }

  @Test(arguments: smallModelNames)
  func seedsDecideWeights(name: String) throws {
    func bits(_ seed: UInt64) throws -> [[UInt32]] {
      try ModelRegistry.make(smallConfiguration(name), seed: seed).parameters.map(\.tensor.bits)
    }
    let first = try bits(1)
    #expect(try bits(1) == first)
    #expect(try bits(2) != first)
  }

  /// A structure has the shapes of the model and nothing else.
  @Test(arguments: smallModelNames)
  func structuresHaveTheModelsShapes(name: String) throws {
    let configuration = smallConfiguration(name)
    let model = try ModelRegistry.make(configuration).parameters
    let structure = try ModelRegistry.makeStructure(configuration).parameters
    #expect(structure.map(\.path) == model.map(\.path))
    #expect(structure.map(\.tensor.shape) == model.map(\.tensor.shape))
  }
}
