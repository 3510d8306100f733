internal import Support

/// A scale in the layout that INC's scale file gives it.
package enum RecordedScale: Equatable, Sendable {
  case scalar(Float)
  /// A list: what a search over a tensor gives, and the products of scales per channel.
  case list([Float])
  /// One scale per output channel of a weight, and how many ones INC writes for its input channels.
  case channels([Float], inputs: Int)

  /// The same layout with every scale passed through `transform`.
  func map(_ transform: (Float) -> Float) -> RecordedScale {
    switch self {
    case .scalar(let scale): .scalar(transform(scale))
    case .list(let scales), .channels(let scales, inputs: _): .list(scales.map(transform))
    }
  }

  var json: JSON {
    switch self {
    case .scalar(let scale): .number(Double(scale))
    case .list(let scales): .array(scales.map { .number(Double($0)) })
    case .channels(let scales, let inputs):
      .object([
        "0": .array(scales.map { .number(Double($0)) }),
        "1": .array(Array(repeating: .number(1.0), count: inputs)),
      ])
    }
  }
}
