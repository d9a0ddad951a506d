extension Lowering {
  /// Moves the steps of preparation to the front, those that make the largest buffers first: while a buffer is filled,
  /// the weights that it is made from exist as well, which matters least at the beginning. What is needed only on the
  /// way is made right before it is read, and all that read it follow at once.
  ///
  /// - Parameter outputs: as for ``MemoryPlan``.
  mutating func orderPreparation(outputs: [(value: Int, parameter: Int?)]) {
    let prepared = steps.indices.filter { values[steps[$0].outputs[0]].isPrepared }
    var producers: [Int: Int] = [:]
    var readers: [Int: [Int]] = [:]
    for index in prepared {
      for output in steps[index].outputs { producers[values[output].base] = index }
      for input in steps[index].inputs { readers[values[input].base, default: []].append(index) }
    }
    // What runs read.
    var kept = Set(outputs.map { values[$0.value].base })
    for step in steps where !values[step.outputs[0]].isPrepared { kept.formUnion(step.inputs.map { values[$0].base }) }

    var order: [Int] = []
    var isPlaced = [Bool](repeating: false, count: steps.count)
    func place(_ index: Int) {
      if isPlaced[index] { return }
      isPlaced[index] = true
      for input in steps[index].inputs { if let producer = producers[values[input].base] { place(producer) } }
      order.append(index)
    }
    var followed = 0
    func placeReadersOfIntermediates() {
      while followed < order.count {
        let step = steps[order[followed]]
        followed += 1
        for value in (step.inputs + step.outputs).map({ values[$0].base })
        where producers[value] != nil && !kept.contains(value) {
          for reader in readers[value] ?? [] { place(reader) }
        }
      }
    }
    func byteCount(_ index: Int) -> Int { steps[index].outputs.reduce(0) { $0 + values[$1].byteCount } }
    let results = prepared.filter { index in steps[index].outputs.contains { kept.contains(values[$0].base) } }
    for index in results.sorted(by: { (byteCount($0), $1) > (byteCount($1), $0) }) {
      place(index)
      placeReadersOfIntermediates()
    }
    for index in prepared { place(index) }
    steps = order.map { steps[$0] } + steps.indices.filter { !isPlaced[$0] }.map { steps[$0] }
  }
}
