import Inspect
import Training

extension RunReport {
  /// What a reader should know before believing the numbers.
  public struct Warning: Hashable, Sendable {
    public enum Kind: String, Sendable {
      case fewImages, imbalance, duplicates, ignoredClass, missedClass, overfitting, untrained, unsure, unfaithfulMaps
    }
    public var kind: Kind
    public var title: String
    /// What it means and what to do.
    public var advice: String
  }

  /// Fewer validation images of a class than this say little about it.
  static let fewImages = 20

  public var warnings: [Warning] {
    [
      fewImagesWarning, imbalanceWarning, duplicatesWarning, ignoredWarning, missedWarning, untrainedWarning,
      overfittingWarning,
      unsureWarning, mapsWarning,
    ].compactMap { $0 }
  }

  private var fewImagesWarning: Warning? {
    let small = classification.classes.filter { $0.support < Self.fewImages }
    let interval = classification.accuracyInterval
    guard !small.isEmpty || interval.width > 0.1 else { return nil }
    let bounds = "\(interval.lower.percent) to \(interval.upper.percent)"
    let names = list(small.map { "\($0.name) (\($0.support))" })
    return Warning(
      kind: .fewImages,
      title: small.isEmpty
        ? "\(classification.images) validation images are few"
        : "Few validation images of \(small.count) class\(small.count == 1 ? "" : "es")",
      advice: "The true accuracy may lie anywhere from \(bounds)."
        + (small.isEmpty ? "" : " The numbers of these classes rest on fewer than \(Self.fewImages) images: \(names).")
        + " Hold out more images before comparing models that differ by a few points.")
  }

  private var imbalanceWarning: Warning? {
    let present = trainingCounts.enumerated().filter { $0.element > 0 }
    guard let most = present.max(by: { $0.element < $1.element }),
      let least = present.min(by: { $0.element < $1.element }), most.element >= 3 * least.element
    else { return nil }
    let names = classNames
    return Warning(
      kind: .imbalance, title: "The classes are unequal",
      advice: "\(names[most.offset]) has \(most.element) training images, \(names[least.offset]) only "
        + "\(least.element). Accuracy flatters a network that favours large classes: read the recall of each class, "
        + "and collect more images of the small ones or weigh the classes.")
  }

  private var duplicatesWarning: Warning? {
    guard duplicateCount > 0 else { return nil }
    let examples = duplicates.prefix(3).map { "\($0.validation) is \($0.training)" }.joined(separator: "; ")
    return Warning(
      kind: .duplicates,
      title: duplicateCount == 1
        ? "One validation image is also a training image"
        : "\(duplicateCount) validation images are also training images",
      advice: "The network has seen their answers, so the accuracy is too high. Remove one of each pair: \(examples).")
  }

  private var ignoredWarning: Warning? {
    let ignored = classification.classes.indices.filter { index in
      classification.classes[index].support > 0 && classification.confusion.allSatisfy { $0[index] == 0 }
    }
    guard !ignored.isEmpty else { return nil }
    return Warning(
      kind: .ignoredClass,
      title: ignored.count == 1
        ? "The network never answers \(classNames[ignored[0]])" : "The network never answers \(ignored.count) classes",
      advice: "Not one validation image was taken for \(list(ignored.map { classNames[$0] })). Look at their images "
        + "below: too few, mislabelled, or no different from another class?")
  }

  /// Classes whose images the network misses more often than it finds them, beyond chance.
  private var missedWarning: Warning? {
    let missed = classification.classes.indices.filter { index in
      let (support, found) = (classification.classes[index].support, classification.confusion[index][index])
      let isAnswered = classification.confusion.contains { $0[index] > 0 }
      return support > 0 && isAnswered && ProportionInterval(found, of: support).upper < 0.5
    }
    guard !missed.isEmpty, untrainedWarning == nil else { return nil }
    let figures = missed.map {
      "\(classNames[$0]) (\(classification.confusion[$0][$0]) of \(classification.classes[$0].support) found)"
    }
    return Warning(
      kind: .missedClass,
      title: missed.count == 1
        ? "Most images of \(classNames[missed[0]]) are missed" : "Most images of \(missed.count) classes are missed",
      advice: "\(list(figures)). Accuracy over all classes hides that; see what they are taken for in the table below.")
  }

  private var untrainedWarning: Warning? {
    let largest = classification.classes.map(\.support).max() ?? 0
    let guess = ProportionInterval(largest, of: max(1, classification.images))
    guard classification.images > 0, classification.accuracy <= guess.upper, classification.classes.count > 1 else {
      return nil
    }
    return Warning(
      kind: .untrained, title: "No better than always answering the largest class",
      advice: "Accuracy is \(classification.accuracy.percent); naming one class for everything would give "
        + "\((Double(largest) / Double(max(1, classification.images))).percent). Train longer, or try another learning "
        + "rate.")
  }

  private var overfittingWarning: Warning? {
    let losses = epochs.compactMap(\.validationLoss)
    guard let last = losses.last, let best = losses.min(), let final = epochs.last, best > 0 else { return nil }
    guard last > 1.3 * best, final.trainLoss < 0.7 * last else { return nil }
    return Warning(
      kind: .overfitting, title: "The network began to learn its training images by heart",
      advice:
        "The validation loss rose from \(best.rounded(digits: 3)) to \(last.rounded(digits: 3)) while the training "
        + "loss fell to \(final.trainLoss.rounded(digits: 3)). The best epoch was kept; more images, more augmentation or "
        + "fewer epochs would help.")
  }

  private var unsureWarning: Warning? {
    guard calibration.calibration.threshold == nil else { return nil }
    return Warning(
      kind: .unsure, title: "No confidence is high enough to rely on",
      advice:
        "Even among its surest answers fewer than \(calibration.calibration.targetPrecision.percent) are right, so "
        + "no threshold was stored; with --abstain, predict will always answer \u{201C}unknown\u{201D}.")
  }

  private var mapsWarning: Warning? {
    let failed = explanations.count { !$0.check.passes }
    guard failed > 0 else { return nil }
    return Warning(
      kind: .unfaithfulMaps, title: "\(failed) of \(explanations.count) heat maps do not show what was learned",
      advice: "They hardly change when the upper layers are made random, or are empty; do not read a reason into them.")
  }

  /// The first few of many names.
  private func list(_ names: [String]) -> String {
    names.prefix(6).joined(separator: ", ") + (names.count > 6 ? " and \(names.count - 6) more" : "")
  }
}
