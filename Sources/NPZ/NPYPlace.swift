/// Where an array comes from: a file and, in an archive, a key.
struct NPYPlace: Sendable {
  var file: String
  var key: String?

  /// `array 'x'`, or `the array` of a file that holds one.
  var text: String { key.map { "array '\($0)'" } ?? "the array" }
}
