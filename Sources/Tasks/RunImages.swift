import Foundation

/// The pictures of a run, opened once more: those that it was trained on and those that it was judged on.
struct RunImages {
  /// Some pictures of a data set.
  struct Part {
    let dataset: any ImageDataset
    /// Where each lies in the data set.
    let indices: [Int]

    var count: Int { indices.count }
    func name(at position: Int) -> String { dataset.exampleName(at: indices[position]) }
    func label(at position: Int) -> Int { dataset.label(at: indices[position]) }
    func image(at position: Int) throws -> Image { try dataset.image(at: indices[position]) }
    func contentHash(at position: Int) throws -> UInt64 { try dataset.contentHash(at: indices[position]) }

    /// The pictures as a model takes them, all or some.
    func view(_ preprocessing: ImagePreprocessing, positions: [Int]? = nil) -> any LabeledDataset {
      dataset.view(positions.map { $0.map { indices[$0] } } ?? indices, preprocessing, .none)
    }
  }

  let training: Part
  let validation: Part

  /// Opens the data that a run's record names.
  ///
  /// - Throws: ``TaskError`` if the data is no longer what the run began with.
  init(_ record: RunRecord) throws {
    let job = record.job
    var images = try LabeledImages.open(job.data)
    if case .folder(let path) = job.validation {
      images.validation = try LabeledImages.openForEvaluation(path, classNames: record.model.classNames)
    } else if case .fraction = job.validation {
      images.validation = nil
    }
    let bad = Set(record.badImages)
    func readable(_ dataset: any ImageDataset) -> [Int] {
      (0..<dataset.count).filter { !bad.contains(dataset.exampleName(at: $0)) }
    }
    let all = Part(dataset: images.training, indices: readable(images.training))
    if let validation = images.validation {
      training = all
      self.validation = Part(dataset: validation, indices: readable(validation))
    } else if let split = record.split {
      let hashes = try (0..<all.count).map { try all.contentHash(at: $0) }
      let sides = split.indices(ofHashes: hashes)
      training = Part(dataset: all.dataset, indices: sides.training.map { all.indices[$0] })
      validation = Part(dataset: all.dataset, indices: sides.validation.map { all.indices[$0] })
    } else {
      throw TaskError("\(job.data ?? "data"): the run's validation images are gone; put them back")
    }
    guard images.training.classNames == record.model.classNames,
      (training.count, validation.count) == (record.trainingImages, record.validationImages)
    else {
      throw TaskError(
        "\(job.data ?? "data"): the run had \(record.trainingImages) images and \(record.validationImages) to validate "
          + "on, but now there are \(training.count) and \(validation.count); a report needs the same data")
    }
  }

  /// The most pictures whose contents are compared; hashing reads every file.
  private static let duplicateLimit = 50_000

  /// Validation pictures whose file is also a training file: positions of both.
  func duplicates() throws -> [(training: Int, validation: Int)] {
    guard training.count + validation.count <= Self.duplicateLimit else { return [] }
    var known: [UInt64: Int] = [:]
    for position in 0..<training.count {
      let hash = try training.contentHash(at: position)
      if known[hash] == nil { known[hash] = position }
    }
    return try (0..<validation.count).compactMap { position in
      known[try validation.contentHash(at: position)].map { ($0, position) }
    }
  }
}
