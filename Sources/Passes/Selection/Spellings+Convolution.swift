internal import IR

private let input = Pattern.activation(Capture("input"))
private let addend = Pattern.value(Capture("bias"))

extension Spellings {
  static let conv2d = Spellings(of: "conv2d") { convolutions("Conv", rank: 4, channelAxis: 0) }

  static let conv1d = Spellings(of: "conv1d", consent: .typeNamed) {
    convolutions("Conv", rank: 3, channelAxis: 0)
  }

  static let conv3d = Spellings(of: "conv3d", consent: .typeNamed) {
    convolutions("Conv", rank: 5, channelAxis: 0)
  }

  /// The second axis of the kernel has the output channels of one group only, so there is no scale
  /// per channel (fp8-and-gaudi2.md 4.2).
  static let transposedConvolutions = [3: "1d", 4: "2d", 5: "3d"].sorted { $0.key < $1.key }.map {
    (rank, suffix) in
    Spellings(of: "conv_transpose", type: "ConvTranspose\(suffix)", consent: .typeNamed) {
      convolutions("ConvTranspose", rank: rank, channelAxis: nil)
    }
  }
}

private func convolutions(_ op: String, rank: Int, channelAxis: Int?) -> [Pattern] {
  let kernel = Pattern.weight(Capture("weight"), rank: rank, channelAxis: channelAxis)
  return [.op(op, [input, kernel, addend]), .op(op, [input, kernel])]
}
