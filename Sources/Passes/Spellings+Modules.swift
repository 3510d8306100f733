package import IR

private let input = Pattern.activation(Capture("input"))
private let other = Pattern.activation(Capture("other"))
/// A matrix whose columns are the output channels.
private let columns = Pattern.weight(Capture("weight"), rank: 2, channelAxis: 1)
/// A matrix whose rows are the output channels.
private let rows = Pattern.weight(Capture("weight"), rank: 2, channelAxis: 0)
private let kernel = Pattern.weight(Capture("weight"), rank: 4, channelAxis: 0)
private let vector = Pattern.weight(Capture("bias"), rank: 1)
private let addend = Pattern.value(Capture("bias"))

extension Spellings {
  /// `x · W + b` and `W · x`, each longest first.
  ///
  /// The weight is on the side that it is written on: its output channels are the product's columns
  /// behind an input and its rows in front of one.
  static let linear = Spellings(of: "linear") {
    gemms { Pattern.gemm(input, $1 == 0 ? columns : rows, $2, transA: $0, transB: $1) }
    gemms { Pattern.gemm($0 == 0 ? rows : columns, input, $2, transA: $0, transB: $1) }
    Pattern.add(.matMul(input, columns), vector)
    Pattern.matMul(input, columns)
    Pattern.matMul(rows, input)
  }

  static let conv2d = Spellings(of: "conv2d") {
    Pattern.conv(input, kernel, addend)
    Pattern.conv(input, kernel)
  }

  /// A product of two activations.
  static let matmul = Spellings(of: "matmul") {
    Pattern.matMul(input, other)
    gemms { transA, transB, addend -> Pattern? in
      addend == nil ? Pattern.gemm(input, other, transA: transA, transB: transB) : nil
    }
  }

  /// Every kind that is found by its spelling.
  package static let all = [linear, conv2d, matmul]
}

/// One pattern for each way to transpose the operands of a `Gemm`, with an addend and without.
private func gemms(
  _ pattern: (_ transA: Int64, _ transB: Int64, _ addend: Pattern?) -> Pattern?
) -> [Pattern] {
  var patterns: [Pattern] = []
  for addend in [addend, nil] {
    for transA in [Int64(0), 1] {
      for transB in [Int64(0), 1] {
        if let pattern = pattern(transA, transB, addend) { patterns.append(pattern) }
      }
    }
  }
  return patterns
}
