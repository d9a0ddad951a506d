import Formats
import Foundation

/// Everything that a resumed run needs to go on as if it had never stopped, in one file that is replaced as a whole.
struct Checkpoint {
  /// Where a run stands. Order, augmentation and dropout are functions of seed, epoch and step, so no generator's
  /// state needs saving.
  struct Position: Codable, Hashable {
    /// Whole epochs done.
    var epoch = 0
    /// Batches of the current epoch done.
    var batch = 0
    /// Steps done in all.
    var step = 0
    /// The stage that runs, and where it began.
    var stage = 0
    var stageStartEpoch = 0
    var stageStartStep = 0
    /// Of the current epoch so far.
    var lossSum = 0.0
    var exampleCount = 0
    var seconds = 0.0
    var firstLoss: Float?
    var bestEpoch: Int?
    var bestScore: Double?
    var bestLoss: Double?
    var isFinished = false
  }

  var position = Position()
  /// Tensors of the model and the optimizer, by path.
  var tensors: [String: Tensor]
  var bestModel: [String: Tensor]

  private static let key = "convnet.checkpoint"

  func write(to path: String) throws {
    var all: [String: Tensor] = [:]
    for (name, tensor) in tensors { all["current." + name] = tensor }
    for (name, tensor) in bestModel { all["best." + name] = tensor }
    let encoder = JSONEncoder()
    let metadata = [Self.key: String(decoding: try encoder.encode(position), as: UTF8.self)]
    try Safetensors.write(all, metadata: metadata, to: path)
  }

  init(tensors: [String: Tensor], bestModel: [String: Tensor]) {
    self.tensors = tensors
    self.bestModel = bestModel
  }

  /// - Throws: ``TrainingError`` unless the checkpoint has a tensor of the same shape for each of these.
  func requireTensors(of expected: [String: Tensor], _ path: String) throws {
    for (name, tensor) in expected.sorted(by: { $0.key < $1.key }) where tensors[name]?.shape != tensor.shape {
      let found = tensors[name].map { "has shape \($0.shape)" } ?? "is missing"
      throw TrainingError.checkpointDoesNotFit(
        path: path, reason: "\(name) \(found), but the model needs \(tensor.shape)")
    }
  }

  init(contentsOf path: String) throws {
    let (all, metadata) = try Safetensors.read(path)
    guard let text = metadata[Self.key],
      let position = try? JSONDecoder().decode(Position.self, from: Data(text.utf8))
    else { throw TrainingError.checkpointDoesNotFit(path: path, reason: "it does not hold a training state") }
    self.position = position
    func part(_ prefix: String) -> [String: Tensor] {
      var part: [String: Tensor] = [:]
      for (name, tensor) in all where name.hasPrefix(prefix) { part[String(name.dropFirst(prefix.count))] = tensor }
      return part
    }
    tensors = part("current.")
    bestModel = part("best.")
  }
}
