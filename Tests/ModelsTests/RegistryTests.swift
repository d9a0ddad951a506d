import Layers
import Models
import Testing

@Suite struct RegistryTests {
  @Test(arguments: ModelRegistry.architectures)
  func tooSmallImages(architecture: Architecture) throws {
    let minimum = architecture.minimumImageSize
    var configuration = architecture.standard
    configuration.imageSize = [minimum, minimum - 1]
    let error = #expect(throws: ModelError.self) { try ModelRegistry.make(configuration) }
    #expect(
      error?.description == "\(architecture.name) needs images of at least \(minimum)x\(minimum), but they are "
        + "\(minimum)x\(minimum - 1); use larger images or choose a shallower model")
    configuration.imageSize = [minimum, minimum]
    let model = try ModelRegistry.makeStructure(configuration)
    #expect(throws: Never.self) { try trace(AnyLayer(model), input: configuration.inputShape()) }
  }

  @Test func unusableConfigurations() throws {
    var configuration = try ModelRegistry.architecture(named: "lenet").standard
    configuration.classes = 0
    let error = #expect(throws: ModelError.self) { try ModelRegistry.make(configuration) }
    #expect(error?.description == "lenet: 0 classes and 1 channels; both must be at least 1 and at most 1048576")
    let unknown = #expect(throws: ModelError.self) { try ModelRegistry.architecture(named: "resnet81") }
    #expect(
      unknown?.description
        == "there is no model named \"resnet81\"; did you mean resnet18 or resnet101 or resnet110? "
        + "`convnet models` lists all")
  }

  @Test func keysAndShapesOfResNet18AreTorchvisions() throws {
    let expected = try fixture("resnet18_keys.txt").map { $0.joined(separator: " ") }
    let standard = try ModelRegistry.architecture(named: "resnet18").standard
    let found = AnyLayer(try ModelRegistry.makeStructure(standard)).parameters.map { "\($0.path) \($0.tensor.shape)" }
    #expect(expected.count == 102)
    #expect(found == expected)
  }

  @Test(arguments: modelNames)
  func seedsDecideWeights(name: String) throws {
    func bits(_ seed: UInt64) throws -> [[UInt32]] {
      try ModelRegistry.make(smallConfiguration(name), seed: seed).parameters.map(\.tensor.bits)
    }
    let first = try bits(1)
    #expect(try bits(1) == first)
    #expect(try bits(2) != first)
  }

  /// A structure has the shapes of the model and nothing else.
  @Test(arguments: modelNames)
  func structuresHaveTheModelsShapes(name: String) throws {
    let configuration = smallConfiguration(name)
    let model = try ModelRegistry.make(configuration).parameters
    let structure = try ModelRegistry.makeStructure(configuration).parameters
    #expect(structure.map(\.path) == model.map(\.path))
    #expect(structure.map(\.tensor.shape) == model.map(\.tensor.shape))
  }
}
