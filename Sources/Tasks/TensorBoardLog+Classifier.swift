import Data
import Inspect
import Layers
import Models
import Training
import Vision

extension TensorBoardLog {
  /// Shows the network, and the first batch as the network gets it, unless an earlier file of the run has them.
  func begin(
    _ model: AnyLayer, _ preprocessing: ImagePreprocessing, _ training: any Dataset, _ options: TrainingOptions,
    showsPictures: Bool
  ) throws {
    guard showsPictures else { return }
    try record(trace(model, input: Shape([1] + preprocessing.shape.dimensions)).graph)
    let loader = DataLoader(
      training, batchSize: min(options.batchSize, 64), shuffle: options.shuffles, seed: options.seed, threads: 0,
      mixing: options.mixing)
    guard let batch = try loader.batches(epoch: 0).next() else { return }
    let size = preprocessing.shape.elementCount
    let cells = batch.input.withUnsafeBuffer(of: Float.self) { numbers in
      batch.indices.indices.map { row in
        let input = Tensor(Array(numbers[row * size..<(row + 1) * size]), shape: preprocessing.shape)
        return ContactSheet.Cell(preprocessing.image(from: input))
      }
    }
    try record(ContactSheet(cells, columns: 8).image(gap: 2), as: "first batch", step: 0)
    try recordFilters(of: model, step: 0)
  }

  /// Shows what became of the first layer's filters.
  func end(_ model: AnyLayer, step: Int) throws { try recordFilters(of: model, step: step) }

  /// Networks without an image's convolution have no such filters.
  private func recordFilters(of model: AnyLayer, step: Int) throws {
    guard let picture = try? FilterPicture(of: model) else { return }
    try record(picture.image, as: "first layer's filters", step: step)
  }

  private func record(_ image: Image, as tag: String, step: Int) throws {
    try record(
      image: tag, png: image.pngData(), width: image.width, height: image.height, channels: image.channels, step: step)
  }
}
