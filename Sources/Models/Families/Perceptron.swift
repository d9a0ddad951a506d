public import Layers

/// The fully connected network that convolutional ones are compared with: the picture as a vector, one hidden layer.
///
/// On 426x426 grey pixels already a hidden layer of 16 units has 2,903,632 weights and biases.
public struct Perceptron: Layer {
  var fc1: Linear
  var fc2: Linear

  public static var fields: [Field<Self>] { [.init("fc1", \.fc1), .init("fc2", \.fc2)] }

  /// - Parameter imageSize: extents of the input; the model takes no other.
  public init(hidden: Int = 16, channels: Int = 1, classes: Int = 2, imageSize: [Int] = [426, 426]) {
    fc1 = Linear(in: channels * imageSize.reduce(1, *), out: hidden)
    fc2 = Linear(in: hidden, out: classes)
  }

  public func callAsFunction(_ x: Tensor) -> Tensor { fc2(relu(fc1(x.flattened()))) }

  static let architectures = [
    Architecture(
      "perceptron", "the picture as a vector, and 16 hidden units", year: 1958, paper: "after Rosenblatt, 1958",
      channels: 1, classes: 2, imageSize: [426, 426], minimumImageSize: 1
    ) { Perceptron(channels: $0.channels, classes: $0.classes, imageSize: $0.imageSize) }
  ]
}
