import Dispatch
import Foundation
import Inspect
import Report
import Synchronization

/// Fills the parts of a report that need pictures.
struct ReportGathering {
  private let reporter: RunReporter
  private(set) var report: RunReport
  private let rows: FeatureExtractor.Rows
  private let answers: [ConfidentAnswer]
  /// Where each validation picture stands in the report's list.
  private var places: [Int: Int] = [:]
  /// The same for training pictures.
  private var trainingPlaces: [Int: Int] = [:]

  // How much is shown.
  private static let thumbnailSide = 112
  private static let mistakeLimit = 400
  private static let mistakesPerCell = 12
  private static let rightLimit = 200
  private static let explanationsEach = 6
  /// At most: half of mistakes, half of right answers.
  static let heatMapCount = 2 * explanationsEach
  private static let mapLimit = 1_000
  private static let featureElementLimit = 8 << 20

  init(_ reporter: RunReporter, _ report: RunReport, _ rows: FeatureExtractor.Rows, _ answers: [ConfidentAnswer]) {
    (self.reporter, self.report, self.rows, self.answers) = (reporter, report, rows, answers)
  }

  private var rule: ImagePreprocessing { reporter.classifier.description.preprocessing }

  private var validation: RunImages.Part { reporter.images.validation }

  /// Mistakes, the surest first.
  private var mistakes: [Int] {
    answers.indices.filter { !answers[$0].isRight }.sorted {
      (-answers[$0].confidence, $0) < (-answers[$1].confidence, $1)
    }
  }

  /// The surest mistake of each kind.
  private var differentMistakes: [Int] {
    var kinds: Set<[Int]> = []
    return mistakes.filter { kinds.insert([rows.labels[$0], answers[$0].predicted]).inserted }
  }

  /// Right answers, class by class in turn, the surest of each first.
  private var successes: [Int] {
    var byClass: [Int: [Int]] = [:]
    for index in answers.indices where answers[index].isRight { byClass[rows.labels[index], default: []].append(index) }
    let sorted = byClass.sorted { $0.key < $1.key }.map { _, members in
      members.sorted { (-answers[$0].confidence, $0) < (-answers[$1].confidence, $1) }
    }
    let deepest = sorted.map(\.count).max() ?? 0
    return (0..<deepest).flatMap { depth in sorted.compactMap { depth < $0.count ? $0[depth] : nil } }
  }

  // MARK: Pictures

  /// Adds the mistakes and examples of every class.
  mutating func addPictures() throws {
    var counts: [[Int]: Int] = [:]
    var chosen: [Int] = []
    for index in mistakes where chosen.count < Self.mistakeLimit {
      let cell = [rows.labels[index], answers[index].predicted]
      guard counts[cell, default: 0] < Self.mistakesPerCell else { continue }
      counts[cell, default: 0] += 1
      chosen.append(index)
    }
    let perClass = max(1, min(8, Self.rightLimit / max(1, report.classNames.count)))
    chosen += successes.prefix(min(Self.rightLimit, perClass * report.classNames.count))
    try add(chosen)
  }

  /// Adds validation pictures that are not there yet; they are decoded on all cores.
  private mutating func add(_ positions: [Int]) throws {
    let new = positions.filter { places[$0] == nil }
    let (part, rule) = (validation, rule)
    for (position, image) in zip(
      new, try Self.thumbnails(new.count) { Self.thumbnail(try part.image(at: new[$0]), rule) })
    {
      guard places[position] == nil else { continue }
      places[position] = report.pictures.count
      report.pictures.append(
        .init(
          name: reporter.fileName(part.name(at: position)), image: image, label: rows.labels[position],
          answer: answers[position]))
    }
  }

  private mutating func addTraining(_ position: Int) throws -> Int {
    if let place = trainingPlaces[position] { return place }
    let part = reporter.images.training
    trainingPlaces[position] = report.pictures.count
    report.pictures.append(
      .init(
        name: reporter.fileName(part.name(at: position)), image: Self.thumbnail(try part.image(at: position), rule),
        label: part.label(at: position)))
    return report.pictures.count - 1
  }

  /// The picture as the network sees it: what lies outside its view did not decide.
  private static func thumbnail(_ image: Image, _ rule: ImagePreprocessing) -> Image {
    // Grey networks see colours no more than we should.
    rule.fitted(image).thumbnail(side: thumbnailSide)
  }

  private static func thumbnails(_ count: Int, _ make: @escaping @Sendable (Int) throws -> Image) throws -> [Image] {
    let results = Mutex<[Int: Result<Image, any Error>]>([:])
    DispatchQueue.concurrentPerform(iterations: count) { index in
      let result = Result { try make(index) }
      results.withLock { $0[index] = result }
    }
    let made = results.withLock { $0 }
    return try (0..<count).compactMap { try made[$0]?.get() }
  }

  // MARK: Inside the network

  /// Heat maps of the surest mistakes and of right answers of different classes.
  mutating func addExplanations() throws {
    let explainer = try Explainer(reporter.classifier.model, input: rule.shape)
    guard let layer = explainer.layer else { return }
    let chosen = Array(differentMistakes.prefix(Self.explanationsEach)) + successes.prefix(Self.explanationsEach)
    try add(chosen)
    for position in chosen {
      let picture = rule.fitted(try validation.image(at: position))
      let input = rule.normalized(picture)
      let attribution = try explainer.attribution(of: input, class: answers[position].predicted, method: .gradCAM)
      let check = try explainer.randomizationCheck(of: attribution, input: input)
      let shown = Self.comfortable(picture)
      report.explanations.append(
        .init(
          picture: places[position]!, original: shown, overlay: attribution.map.overlay(on: shown), layer: layer,
          check: check))
    }
  }

  /// Neither so small that a map on it has no room, nor so large that the page grows heavy.
  private static func comfortable(_ picture: Image) -> Image {
    picture.enlarged(by: max(1, 96 / max(picture.width, picture.height))).thumbnail(side: 176)
  }

  mutating func addLayers() throws {
    let model = reporter.classifier.model
    report.filters = try? FilterPicture(of: model).image
    guard let example = successes.first ?? answers.indices.first else { return }
    try add([example])
    let input = rule.tensor(from: try validation.image(at: example))
    guard let maps = try? featureMaps(of: model, input: input) else { return }
    report.featureMaps = (
      places[example]!, maps.prefix(4).map { (layer: $0.layer, image: .featureMaps($0.maps)) }
    )
  }

  // MARK: Features

  /// How many training pictures a fixed amount of computing allows to search: about 400 billion multiplications and
  /// additions.
  static func searchLimit(for model: AnyLayer, _ rule: ImagePreprocessing, name: String) throws -> Int {
    let summary = try Summary(of: model, input: Shape([1] + rule.shape.dimensions), name: name)
    let fromCost = 400_000_000_000 / max(1, summary.multiplyAccumulates)
    return min(max(200, Int(fromCost)), 4_000)
  }

  mutating func addNeighbors(_ extractor: FeatureExtractor) throws {
    let queries = Array(differentMistakes.prefix(4)) + successes.prefix(3)
    let part = reporter.images.training
    guard !queries.isEmpty, part.count > 0 else { return }
    try add(queries)
    let limit = min(part.count, try Self.searchLimit(for: reporter.classifier.model, rule, name: report.title))
    // Evenly spaced, so that every class is among them.
    let positions = (0..<limit).map { $0 * part.count / limit }
    let table = try extractor.rows(of: part.view(rule, positions: positions))
    let nearest = NearestRows(table.features, dimensions: table.dimensions)
    report.searchedTrainingImages = limit
    for query in queries {
      let vector = rows.features[query * rows.dimensions..<(query + 1) * rows.dimensions]
      let neighbors = try nearest.nearest(to: vector, count: 6).map {
        (picture: try addTraining(positions[$0.row]), similarity: Double($0.similarity))
      }
      report.neighborhoods.append(.init(picture: places[query]!, neighbors: neighbors))
    }
  }

  mutating func addMap() {
    let limit = min(rows.count, Self.mapLimit, max(3, Self.featureElementLimit / max(1, rows.dimensions)))
    guard limit > 2 else { return }
    let chosen = (0..<limit).map { $0 * rows.count / limit }
    let features = chosen.flatMap { rows.features[$0 * rows.dimensions..<($0 + 1) * rows.dimensions] }
    let components = PrincipalComponents(features, count: limit)
    report.mapShares = (Double(components.explained.x), Double(components.explained.y))
    report.map = zip(chosen, components.points).map { index, point in
      .init(
        x: Double(point.x), y: Double(point.y), label: rows.labels[index], predicted: answers[index].predicted,
        name: reporter.fileName(validation.name(at: index)))
    }
  }

  // MARK: Augmentation

  /// A few training pictures of different classes, each with variants.
  mutating func addAugmentation() throws {
    let part = reporter.images.training
    let job = reporter.record.job
    let augmentation = job.augmentation ?? ClassifierTraining.augmentation(for: part.dataset, rule)
    guard augmentation != .none, part.count > 0 else { return }
    let count = min(4, part.count)
    for row in 0..<count {
      let position = row * part.count / count
      let image = try part.image(at: position)
      let variants = (0..<7).map { variant in
        augmentation.apply(
          to: image, preprocessing: rule,
          random: RandomStream(
            seed: job.training.seed, stream: RandomStream.stream(0x7368_6f77, UInt64(position), UInt64(variant))))
      }
      report.augmentation.append(([rule.fitted(image)] + variants).map { $0.thumbnail(side: Self.thumbnailSide) })
    }
  }
}
