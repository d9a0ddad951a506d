import Layers

/// Ways in which other programs name the tensors of the same networks.
struct WeightNaming: Sendable {
  /// Whose names they are, as a genitive.
  var name: String
  /// The model's name for a name of the file; `nil` where this naming does not know it.
  ///
  /// `stages` are the blocks of the model in order, where it numbers them within stages.
  var rename: @Sendable (_ name: String, _ stages: [String]) -> String?

  /// Of the namings that there are, the one by which most tensors of the file find their place; the model's own names
  /// if none is better.
  static func renamed(_ tensors: [String: Tensor], for own: [String], naming: inout String?) -> [String: Tensor] {
    let known = Set(own)
    let stages = blocks(of: own)
    var best = (count: tensors.keys.count { known.contains($0) }, name: String?.none, tensors: tensors)
    for candidate in all where best.count < known.count {
      var renamed: [String: Tensor] = [:]
      for (name, tensor) in tensors { renamed[candidate.rename(name, stages) ?? name] = tensor }
      let count = renamed.keys.count { known.contains($0) }
      // Two names that became one would lose a tensor.
      if count > best.count, renamed.count == tensors.count { best = (count, candidate.name, renamed) }
    }
    naming = best.name
    return best.tensors
  }

  private static let all = [
    WeightNaming(name: "a parallel model's") { name, _ in dropping(["module.", "_orig_mod."], from: name) },
    WeightNaming(name: "an enclosing module's") { name, _ in dropping(["model.", "backbone.", "net."], from: name) },
    efficientNetPackage, timmMobileNet, timmConvNeXt, timmPreActivation, timmVGG, oldDenseNet,
  ]

  private static func dropping(_ prefixes: [String], from name: String) -> String? {
    prefixes.first { name.hasPrefix($0) }.map { String(name.dropFirst($0.count)) }
  }

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
