/// The named tensors in what `torch.save` was given: a state dict, or one inside a checkpoint.
struct TorchStateDict {
  var tensors: [(name: String, tensor: TorchTensor)]
  /// Numbers and texts beside the state dict, such as an epoch or the name of an architecture.
  var metadata: [String: String]

  /// Where training programs put the weights, the likeliest first.
  private static let usualNames = [
    "state_dict", "model_state_dict", "model_state", "model", "net", "network", "weights", "params", "model_ema",
    "state_dict_ema", "ema",
  ]
  private static let depthLimit = 4

  init(_ root: PickleValue, _ machine: PickleMachine, path: String) throws(FormatError) {
    let heap = machine.heap
    var value = root
    metadata = [:]
    for _ in 0..<Self.depthLimit {
      guard case .dictionary(let index) = value else { break }
      let members = heap.dictionaries[index]
      let found = Self.tensors(members, heap)
      let holders = Self.holders(among: members, heap)
      let usual = Self.usualNames.lazy.compactMap { name in holders.first { $0.name == name } }.first
      // A tensor or two beside a state dict, such as the best accuracy so far, are none of its own.
      let next = usual ?? (holders.count == 1 ? holders[0] : nil)
      guard let next, next.tensorCount > found.count else {
        if !found.isEmpty {
          tensors = found
          return
        }
        if holders.count > 1 {
          throw .unsupported(
            path: path,
            reason: "it holds several sets of tensors, \(Self.list(holders.map(\.name))); save one of them by itself: "
              + "torch.save(checkpoint[\(quoted(holders[0].name))], ...)")
        }
        break
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
      let others = holders.filter { $0.name != next.name && Self.usualNames.contains($0.name) }.map(\.name)
      if !others.isEmpty { metadata["taken_from"] = "\(quoted(next.name)), not \(Self.list(others))" }
      value = next.value
    }
    throw .unsupported(
      path: path, reason: "it holds no tensors by name; save a state dict: torch.save(model.state_dict(), ...)")
  }

  /// A dictionary inside another that holds tensors by name, or a dictionary of them.
  private struct Holder {
    var name: String
    var value: PickleValue
    var tensorCount: Int
  }

  /// In the order of the file; of equal names the last.
  private static func holders(
    among members: [(key: PickleValue, value: PickleValue)], _ heap: PickleHeap
  ) -> [Holder] {
    var places: [String: Int] = [:]
    var holders: [Holder] = []
    var known: [DictionaryAtDepth: Int] = [:]
    for (key, value) in members {
      guard let name = key.text else { continue }
      let holder = Holder(
        name: name, value: value, tensorCount: tensorCount(value, heap, depth: 1, known: &known))
      if let place = places[name] {
        holders[place] = holder
      } else {
        places[name] = holders.count
        holders.append(holder)
      }
    }
    return holders.filter { $0.tensorCount > 0 }
  }

  private struct DictionaryAtDepth: Hashable { var index, depth: Int }

  /// How many tensors stand by name in a dictionary, or else in the fullest of those that stand by name within. The
  /// state of an optimizer is not among them: it goes by number.
  ///
  /// - Parameter known: what has been counted; many may share one dictionary.
  private static func tensorCount(
    _ value: PickleValue, _ heap: PickleHeap, depth: Int, known: inout [DictionaryAtDepth: Int]
  ) -> Int {
    guard case .dictionary(let index) = value else { return 0 }
    let place = DictionaryAtDepth(index: index, depth: depth)
    if let count = known[place] { return count }
    var own = 0
    var largest = 0
    for (key, value) in heap.dictionaries[index] where key.text != nil {
      if case .tensor = value {
        own += 1
      } else if depth < depthLimit {
        largest = max(largest, tensorCount(value, heap, depth: depth + 1, known: &known))
      }
    }
    let count = own > 0 ? own : largest
    known[place] = count
    return count
  }

  private static func list(_ names: [String]) -> String {
    names.prefix(4).map(quoted).joined(separator: ", ") + (names.count > 4 ? ", ..." : "")
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
}
