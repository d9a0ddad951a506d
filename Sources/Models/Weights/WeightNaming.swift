package import Layers

/// Ways in which other programs name the tensors of the same networks.
package struct WeightNaming: Sendable {
  /// Whose names they are, as a genitive.
  var name: String
  /// The model's name for a name of the file; `nil` where this naming does not know it.
  ///
  /// `stages` are the blocks of the model in order, where it numbers them within stages.
  var rename: @Sendable (_ name: String, _ stages: [String]) -> String?

  /// Of the namings that there are, and of the prefixes that enclosing modules may have put before all names, those by
  /// which most tensors of the file find their place; the model's own names if none are better.
  static func renamed(_ tensors: [String: Tensor], for own: [String], naming: inout String?) -> [String: Tensor] {
    let names = renaming(Array(tensors.keys), for: own, naming: &naming)
    return Dictionary(uniqueKeysWithValues: tensors.map { (names[$0.key] ?? $0.key, $0.value) })
  }

  /// The shapes of a file's tensors by a model's names, as far as it has them; counters are left out.
  package static func shapes(of tensors: [String: Tensor], as own: [String]) -> [String: Shape] {
    let names = tensors.keys.filter { !isCounter($0) }
    var naming: String?
    let renamed = renaming(names, for: own, naming: &naming)
    return Dictionary(uniqueKeysWithValues: names.map { (renamed[$0] ?? $0, tensors[$0, default: .zeros([])].shape) })
  }

  /// The new names by the file's, where they differ; no two names become one.
  ///
  /// - Parameter naming: becomes a word for the names of the file where they are not the model's.
  static func renaming(_ names: [String], for own: [String], naming: inout String?) -> [String: String] {
    let known = Set(own)
    let stages = blocks(of: own)
    var best = (count: names.count { known.contains($0) }, name: String?.none, names: [String: String]())
    // Far more names than any network has are not worth the time.
    guard names.count <= 1 << 17 else { return [:] }
    for prefix in [""] + prefixes(of: names, around: known) {
      for candidate in [plain] + all where best.count < known.count {
        var renamed: [String: String] = [:]
        for name in names where name.hasPrefix(prefix) {
          let inner = String(name.dropFirst(prefix.count))
          let new = candidate.rename(inner, stages) ?? inner
          if new != name { renamed[name] = new }
        }
        let all = names.map { renamed[$0] ?? $0 }
        let count = all.count { known.contains($0) }
        // Two names that became one would lose a tensor.
        guard count > best.count, Set(all).count == all.count else { continue }
        let enclosing = prefix.isEmpty ? nil : "an enclosing module's (\(prefix)*)"
        let parts = [enclosing, candidate.name.isEmpty ? nil : candidate.name].compactMap(\.self)
        best = (count, parts.joined(separator: " and "), renamed)
      }
    }
    naming = best.name
    return best.names
  }

  /// What stands before names that end in the model's own, most often first; and what all names begin with, up to
  /// three levels: `module.` of a parallel model, `_orig_mod.` of a compiled one, `model.`, `backbone.`.
  private static func prefixes(of names: [String], around known: Set<String>) -> [String] {
    var votes: [String: Int] = [:]
    for name in names where !known.contains(name) {
      var end = name.startIndex
      for _ in 0..<prefixDepth {
        guard let dot = name[end...].firstIndex(of: ".") else { break }
        end = name.index(after: dot)
        if known.contains(String(name[end...])) { votes[String(name[..<end]), default: 0] += 1 }
      }
    }
    var found = votes.max { ($0.value, $1.key) < ($1.value, $0.key) }.map { [$0.key] } ?? []
    let inner = names.filter { !isCounter($0) }
    var shared = ""
    for _ in 0..<prefixDepth {
      guard let first = inner.first?.dropFirst(shared.count), let dot = first.firstIndex(of: ".") else { break }
      shared += first[...dot]
      guard inner.allSatisfy({ $0.hasPrefix(shared) }) else { break }
      if !found.contains(shared) { found.append(shared) }
    }
    return found
  }

  private static let prefixDepth = 3

  /// Whether a tensor of this name counts what a training has done: batches of a norm, or models of an average.
  package static func isCounter(_ name: String) -> Bool {
    name.hasSuffix("num_batches_tracked") || name == "n_averaged"
  }

  private static let plain = WeightNaming(name: "") { _, _ in nil }

  private static let all = [
    efficientNetPackage, timmMobileNet, timmConvNeXt, timmPreActivation, timmVGG, oldDenseNet,
  ]

  /// `blocks.3.1` and the like, in order.
  private static func blocks(of own: [String]) -> [String] {
    var found: [String] = []
    for path in own {
      let parts = path.split(separator: ".")
      guard parts.count > 3, parts[0] == "blocks" else { continue }
      let block = parts[..<3].joined(separator: ".")
      if found.last != block { found.append(block) }
    }
    return found
  }

  // MARK: EfficientNet

  /// The names of the package `efficientnet_pytorch`, in which EfficientNet-Lite's weights are published: blocks are
  /// numbered through, and norms by whether a block expands.
  private static let efficientNetPackage = WeightNaming(name: "efficientnet_pytorch's") { name, blocks in
    let top = ["_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"]
    let parts = name.split(separator: ".").map(String.init)
    if parts.count == 2, let layer = top[parts[0]] { return "\(layer).\(parts[1])" }
    guard parts.count == 4, parts[0] == "_blocks", let number = Int(parts[1]), blocks.indices.contains(number) else {
      return nil
    }
    // Only the blocks of the first stage do not expand.
    let expands = !blocks[number].hasPrefix("blocks.0.")
    let layers =
      expands
      ? [
        "_expand_conv": "conv_pw", "_bn0": "bn1", "_depthwise_conv": "conv_dw", "_bn1": "bn2",
        "_project_conv": "conv_pwl", "_bn2": "bn3",
      ] : ["_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"]
    return layers[parts[2]].map { "\(blocks[number]).\($0).\(parts[3])" }
  }

  // MARK: timm

  /// MobileNetV2 by timm's names: stages of blocks, where torchvision numbers all through.
  private static let timmMobileNet = WeightNaming(name: "timm's") { name, _ in
    let top = [
      "conv_stem": "features.0.0", "bn1": "features.0.1", "conv_head": "features.18.0", "bn2": "features.18.1",
      "classifier": "classifier.1",
    ]
    let parts = name.split(separator: ".").map(String.init)
    if parts.count == 2, let layer = top[parts[0]] { return "\(layer).\(parts[1])" }
    let firstOfStage = [1, 2, 4, 7, 11, 14, 17]
    guard parts.count == 5, parts[0] == "blocks", let stage = Int(parts[1]), firstOfStage.indices.contains(stage),
      let block = Int(parts[2])
    else { return nil }
    let layers =
      stage == 0
      ? ["conv_dw": "0.0", "bn1": "0.1", "conv_pw": "1", "bn2": "2"]
      : ["conv_pw": "0.0", "bn1": "0.1", "conv_dw": "1.0", "bn2": "1.1", "conv_pwl": "2", "bn3": "3"]
    return layers[parts[3]].map { "features.\(firstOfStage[stage] + block).conv.\($0).\(parts[4])" }
  }

  /// ConvNeXt by timm's names.
  private static let timmConvNeXt = WeightNaming(name: "timm's") { name, _ in
    let parts = name.split(separator: ".").map(String.init)
    switch parts.first {
    case "stem" where parts.count == 3: return "features.0.\(parts[1]).\(parts[2])"
    case "head" where parts.count == 3:
      return ["norm": "classifier.0", "fc": "classifier.2"][parts[1]].map { "\($0).\(parts[2])" }
    case "stages":
      guard parts.count > 4, let stage = Int(parts[1]), (0..<4).contains(stage) else { return nil }
      if parts[2] == "downsample" { return "features.\(2 * stage).\(parts[3]).\(parts[4])" }
      let block = "features.\(2 * stage + 1).\(parts[3])"
      let inner = ["conv_dw": "block.0", "norm": "block.2", "mlp.fc1": "block.3", "mlp.fc2": "block.5"]
      if parts[4] == "gamma" { return "\(block).layer_scale" }
      return parts.last.flatMap { last in
        inner[parts[4..<(parts.count - 1)].joined(separator: ".")].map { "\(block).\($0).\(last)" }
      }
    default: return nil
    }
  }

  /// The pre-activation ResNet by timm's names: a stem, stages of blocks, `norm` for `bn`.
  private static let timmPreActivation = WeightNaming(name: "timm's") { name, _ in
    let parts = name.split(separator: ".").map(String.init)
    guard let last = parts.last else { return nil }
    switch parts.first {
    case "stem" where parts.count == 3 && parts[1] == "conv": return "conv1.\(last)"
    case "norm" where parts.count == 2: return "bn.\(last)"
    case "head" where parts.count == 3 && parts[1] == "fc": return "fc.\(last)"
    case "stages" where parts.count > 5 && parts[2] == "blocks":
      let layer = parts[4].replacing("norm", with: "bn")
      // Its shortcut is a convolution alone, one level deeper.
      guard parts.count == (layer == "downsample" ? 7 : 6) else { return nil }
      return "layers.\(parts[1]).\(parts[3]).\(layer).\(last)"
    default: return nil
    }
  }

  /// VGG by timm's names: the hidden linear layers as convolutions of the whole map.
  private static let timmVGG = WeightNaming(name: "timm's") { name, _ in
    let layers = ["pre_logits.fc1.": "classifier.0.", "pre_logits.fc2.": "classifier.3.", "head.fc.": "classifier.6."]
    return layers.first { name.hasPrefix($0.key) }.map { $0.value + name.dropFirst($0.key.count) }
  }

  // MARK: torchvision

  /// DenseNet as its first published weights name it: `norm.1` for `norm1`.
  private static let oldDenseNet = WeightNaming(name: "DenseNet's first") { name, _ in
    guard name.contains(".denselayer") else { return nil }
    for layer in ["norm", "conv"] {
      for number in ["1", "2"] where name.contains(".\(layer).\(number).") {
        return name.replacing(".\(layer).\(number).", with: ".\(layer)\(number).")
      }
    }
    return nil
  }
}
