internal import Support

extension Diagnostic {
  static func badChannelAxis(_ axis: Int, sizes: [Int64]) -> Diagnostic {
    Diagnostic(
      .error, .internalError, "a weight of shape \(sizes) has no channels along axis \(axis)")
  }

  static func badPermutation(_ permutation: [Int]) -> Diagnostic {
    Diagnostic(
      .error, .internalError, "permutation \(permutation) does not fit the weight's rank")
  }

  static func castOf(_ element: String) -> Diagnostic {
    Diagnostic(.error, .internalError, "a weight's recipe casts type \(element)")
  }

  static func codeOutOfRange(_ code: UInt8, limit: UInt8) -> Diagnostic {
    Diagnostic(
      .error, .internalError,
      "a weight was cast to FP8 code \(code), beyond the target's largest, \(limit)")
  }

  static func subByteTranspose(_ element: String) -> Diagnostic {
    Diagnostic(.error, .internalError, "a weight of type \(element) is transposed")
  }

  static func unknownDataFile(_ location: String) -> Diagnostic {
    Diagnostic(
      .error, .internalError, "data file '\(location)' was not opened with the model")
  }

  static func varintCount(_ found: Int, expected: Int) -> Diagnostic {
    Diagnostic("a tensor's typed list has \(found) entries, expected \(expected) by its shape")
  }
}
