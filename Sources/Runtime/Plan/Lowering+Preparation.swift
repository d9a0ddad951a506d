extension Lowering {
  /// Moves the steps of preparation to the front, those that make the largest buffers first: while a buffer is filled,
  /// the weights that it is made from exist as well, which matters least at the beginning.
  mutating func orderPreparation() {
    var producers: [Int: Int] = [:]
    let prepared = steps.indices.filter { values[steps[$0].outputs[0]].isPrepared }
    for index in prepared { for output in steps[index].outputs { producers[values[output].base] = index } }
    var order: [Int] = []
    var isPlaced = [Bool](repeating: false, count: steps.count)
    func place(_ index: Int) {
      if isPlaced[index] { return }
      isPlaced[index] = true
      for input in steps[index].inputs { if let producer = producers[values[input].base] { place(producer) } }
      order.append(index)
    }
    func byteCount(_ index: Int) -> Int { steps[index].outputs.reduce(0) { $0 + values[$1].byteCount } }
    for index in prepared.sorted(by: { (byteCount($0), $1) > (byteCount($1), $0) }) { place(index) }
    steps = order.map { steps[$0] } + steps.indices.filter { !isPlaced[$0] }.map { steps[$0] }
  }
}
