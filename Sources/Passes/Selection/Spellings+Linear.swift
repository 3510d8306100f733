internal import IR

private let input = Pattern.activation(Capture("input"))
/// A matrix whose columns are the output channels.
private let columns = Pattern.weight(Capture("weight"), rank: 2, channelAxis: 1)
/// A matrix whose rows are the output channels.
private let rows = Pattern.weight(Capture("weight"), rank: 2, channelAxis: 0)
private let vector = Pattern.weight(Capture("weight"), rank: 1)
private let stack = Pattern.weight(Capture("weight"), rank: 3)
private let bias = Pattern.weight(Capture("bias"), rank: 1)
private let addend = Pattern.value(Capture("bias"))

extension Spellings {
  /// `x · W + b` and `W · x`, each longest first.
  ///
  /// The weight is on the side that it is written on: its output channels are the product's columns
  /// behind an input and its rows in front of one.
  static let linear = Spellings(of: "linear") {
    gemms(addend) { Pattern.gemm(input, $1 == 0 ? columns : rows, $2, transA: $0, transB: $1) }
    gemms(addend) { Pattern.gemm($0 == 0 ? rows : columns, input, $2, transA: $0, transB: $1) }
    Pattern.add(.gemm(input, columns), bias)
    Pattern.add(.gemm(input, rows, transB: 1), bias)
    Pattern.add(.matMul(input, columns), bias)
    Pattern.matMul(input, columns)
    Pattern.matMul(rows, input)
  }

  /// The matrices of a few experts, picked from the stack of all: quantized with one scale.
  static let experts = Spellings(of: "linear", type: "MoeMatmul") {
    Pattern.matMul(input, picked)
    Pattern.matMul(picked, input)
  }

  /// A product with a vector; its one output has no channels.
  static let vectors = Spellings(of: "linear", type: "MatVec", consent: .typeNamed) {
    Pattern.matMul(input, vector)
    Pattern.matMul(vector, input)
  }

  /// A product with one matrix for each entry of the batch.
  static let batched = Spellings(of: "linear", type: "BatchedLinear", consent: .typeNamed) {
    Pattern.matMul(input, stack)
    Pattern.matMul(stack, input)
  }

  private static let picked = Pattern.through(
    ["Squeeze", "Unsqueeze", "Reshape", "Transpose", "Cast"],
    inner: .either([.call("Gather", [stack, .any]), .call("GatherND", [stack, .any])]))
}

/// One pattern for each way to transpose the operands of a `Gemm`, with an addend where one is given,
/// and without.
func gemms(
  _ addend: Pattern? = nil,
  _ pattern: (_ transA: Int64, _ transB: Int64, _ addend: Pattern?) -> Pattern
) -> [Pattern] {
  let addends: [Pattern?] = addend.map { [$0, nil] } ?? [nil]
  return addends.flatMap { addend in
    [(0, 0), (0, 1), (1, 0), (1, 1)].map { pattern($0.0, $0.1, addend) }
  }
}
