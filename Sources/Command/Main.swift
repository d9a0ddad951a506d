import ConvNet
import Foundation
@main struct Main { static func main() throws {
  let (train, test) = try EmbeddedFashionMNIST.load()
  let loader = DataLoader(train, batchSize: 64, shuffle: true, seed: 1)
  let model = withSeed(1) { LeNet(imageSize: [28, 28]) }
  print(model.parameterCount)
  let step = TrainingStep(model, optimizer: .adamW(learningRate: 1e-3)) { m, x, t in crossEntropy(m(x), t) }
  var n = 0
  for epoch in 0..<3 {
    let t0 = Date()
    let it = loader.batches(epoch: epoch)
    while let b = try it.next() { n += 1; let r = try step.run(b, step: n, learningRate: 1e-3); if n % 50 == 0 { print(n, r.loss, r.gradientNorm) } }
    print("seconds", Date().timeIntervalSince(t0), step.arenaByteCount)
  }
  let trained = try step.model
  let plan = try compile(trained, input: [1000, 1, 28, 28])
  let tl = DataLoader(test, batchSize: 1000)
  var right = 0
  let it = tl.batches(epoch: 0)
  while let b = try it.next() {
    let logits = try plan.run([b.input])[0]
    for (p, l) in zip(logits.argmax(), b.target.scalars(as: Int32.self)) where p == Int(l) { right += 1 }
  }
  print("accuracy", right)
} }
