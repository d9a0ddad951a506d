/// The named tensors in what `torch.save` was given: a state dict, or one inside a checkpoint.
struct TorchStateDict {
  var tensors: [(name: String, tensor: TorchTensor)]
  /// Numbers and texts beside the state dict, such as an epoch or the name of an architecture.
  var metadata: [String: String]

  /// Where training programs put the weights, the likeliest first.
  private static let usualNames = [
    "state_dict", "model_state_dict", "model_state", "model", "net", "network", "weights", "params", "model_ema",
    "state_dict_ema",
  ]
  private static let depthLimit = 4

  init(_ root: PickleValue, _ machine: PickleMachine, path: String) throws(FormatError) {
    var value = root
    metadata = [:]
    for _ in 0..<Self.depthLimit {
      guard case .dictionary(let index) = value else { break }
      let members = machine.heap.dictionaries[index]
      let found = Self.tensors(members, machine.heap)
      if !found.isEmpty {
        tensors = found
        return
      }
      for (key, value) in members {
        guard let key = key.text else { continue }
        switch value {
        case .text(let text): metadata[key] = text
        case .integer(let integer): metadata[key] = "\(integer)"
        case .real(let real): metadata[key] = "\(real)"
        default: break
        }
      }
      guard let next = Self.weights(among: members, machine.heap) else { break }
      value = next
    }
    throw .unsupported(
      path: path, reason: "it holds no tensors by name; save a state dict: torch.save(model.state_dict(), ...)")
  }

  /// The last of equal names, as in Python, at the place of the first.
  private static func tensors(
    _ members: [(key: PickleValue, value: PickleValue)], _ heap: PickleHeap
  ) -> [(name: String, tensor: TorchTensor)] {
    var places: [String: Int] = [:]
    var tensors: [(name: String, tensor: TorchTensor)] = []
    for (key, value) in members {
      guard let name = key.text, case .tensor(let index) = value else { continue }
      if let place = places[name] {
        tensors[place].tensor = heap.tensors[index]
      } else {
        places[name] = tensors.count
        tensors.append((name, heap.tensors[index]))
      }
    }
    return tensors
  }

  private static func weights(
    among members: [(key: PickleValue, value: PickleValue)], _ heap: PickleHeap
  ) -> PickleValue? {
    func isDictionary(_ value: PickleValue) -> Bool { if case .dictionary = value { true } else { false } }
    for name in usualNames {
      if let found = members.last(where: { $0.key == .text(name) && isDictionary($0.value) }) { return found.value }
    }
    let holders = members.filter { member in
      guard case .dictionary(let index) = member.value else { return false }
      return heap.dictionaries[index].contains { if case .tensor = $0.value { true } else { false } }
    }
    return holders.count == 1 ? holders[0].value : nil
  }
}
