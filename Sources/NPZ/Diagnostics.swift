internal import Support

extension Diagnostic {
  static func badArchive(_ fault: String, file: String) -> Diagnostic {
    Diagnostic(
      .error, .malformedInput, at: Location(file: file), "is no archive of arrays: \(fault)")
  }

  static func badEntry(_ fault: String, _ place: NPYPlace) -> Diagnostic {
    Diagnostic(
      .error, .malformedInput, at: Location(file: place.file), "\(place.text) \(fault)")
  }

  static func dataLength(_ found: Int64, expected: Int, _ place: NPYPlace) -> Diagnostic {
    Diagnostic(
      .error, .malformedInput, at: Location(file: place.file),
      "\(place.text) has \(found) bytes of elements, expected \(expected)")
  }

  static func arrayElementType(_ found: String, _ place: NPYPlace) -> Diagnostic {
    Diagnostic(
      .error, .malformedInput, at: Location(file: place.file),
      "\(place.text) has the element type \(found), which is not supported",
      notes: ["supported: bool, integers of 8 to 64 bits, float16, float32, float64, bfloat16"])
  }

  static func formatVersion(_ version: UInt8, _ place: NPYPlace) -> Diagnostic {
    Diagnostic(
      .error, .malformedInput, at: Location(file: place.file),
      "\(place.text) has format version \(version), expected 1, 2 or 3")
  }

  static func arrayHeader(_ fault: String, _ place: NPYPlace) -> Diagnostic {
    Diagnostic(
      .error, .malformedInput, at: Location(file: place.file), "head of \(place.text) \(fault)")
  }

  static func noKey(_ key: String, keys: [String], file: String) -> Diagnostic {
    let near = nearest(to: key, among: keys)
    return Diagnostic(
      .error, .malformedInput, at: Location(file: file), "has no array '\(key)'",
      notes: near.map { ["did you mean '\($0)'?"] } ?? [])
  }

  static func notArray(_ place: NPYPlace) -> Diagnostic {
    Diagnostic(
      .error, .malformedInput, at: Location(file: place.file),
      "\(place.text) is not in NumPy's format")
  }

  static func arrayOfObjects(_ place: NPYPlace) -> Diagnostic {
    Diagnostic(
      .error, .malformedInput, at: Location(file: place.file),
      "\(place.text) holds Python objects, expected numbers")
  }

  static func unreadablePickle(_ fault: String, _ place: NPYPlace) -> Diagnostic {
    Diagnostic(
      .error, .malformedInput, at: Location(file: place.file),
      "the Python objects in \(place.text) cannot be read: the pickle \(fault)",
      notes: ["only dictionaries, lists, numbers and arrays are read, and nothing is run"])
  }

  static func arrayTooLarge(_ size: Int64, _ place: NPYPlace) -> Diagnostic {
    Diagnostic(
      .error, .limitReached, at: Location(file: place.file),
      "\(place.text) has \(size) bytes, more than the \(NPYArray.sizeLimit) that are read")
  }
}
