internal import Support

extension Diagnostic {
  static func attributeTwice(_ name: String, node: String) -> Diagnostic {
    Diagnostic(at: Location(node: node), "attribute '\(name)' is given twice")
  }

  static func attributeContent(_ name: String, found: [Int32], type: Int32) -> Diagnostic {
    Diagnostic(
      "attribute '\(name)' has type \(type) and values of "
        + "\(found.map { "type \($0)" }.joined(separator: ", ")), expected one value of its type")
  }

  static func attributeType(_ type: Int32, of name: String) -> Diagnostic {
    Diagnostic("attribute '\(name)' has type \(type), expected 1 to 14")
  }

  static func byteCount(_ found: Int64, of name: String, expected: Int) -> Diagnostic {
    Diagnostic("tensor '\(name)' has \(found) bytes of data, expected \(expected) by its shape")
  }

  static func definedTwice(_ name: String, as what: String) -> Diagnostic {
    Diagnostic("'\(name)' is defined twice, the second time as \(what)")
  }

  static func elementCount(_ found: Int, of name: String, expected: Int) -> Diagnostic {
    Diagnostic("tensor '\(name)' has \(found) elements, expected \(expected) by its shape")
  }

  static func elementType(_ number: Int32, of name: String) -> Diagnostic {
    Diagnostic("'\(name)' has element type \(number), expected 1 to 26")
  }

  static func externalAndInline(_ name: String) -> Diagnostic {
    Diagnostic("tensor '\(name)' has data both inside the model and in a data file")
  }

  static func externalKey(_ key: String, of name: String) -> Diagnostic {
    Diagnostic(
      "tensor '\(name)': external data key '\(key)' is unknown, expected location, offset, "
        + "length, checksum or basepath")
  }

  static func externalKeyTwice(_ key: String, of name: String) -> Diagnostic {
    Diagnostic("tensor '\(name)': external data key '\(key)' is given twice")
  }

  static func externalNumber(_ key: String, _ value: String, of name: String) -> Diagnostic {
    Diagnostic(
      "tensor '\(name)': external data \(key) is '\(value)', expected a number of bytes")
  }

  static func externalTooLarge(of name: String, limit: Int64) -> Diagnostic {
    Diagnostic(
      .error, .limitReached,
      "tensor '\(name)': the data outside the model is more than \(limit) bytes up to here")
  }

  static func irVersion(_ found: Int64, accepted: ClosedRange<Int64>) -> Diagnostic {
    Diagnostic(
      "IR version \(found) is not supported, expected \(accepted.lowerBound) to "
        + "\(accepted.upperBound)")
  }

  static func metadataTwice(_ key: String) -> Diagnostic {
    Diagnostic("the model's metadata has the key '\(key)' twice")
  }

  static func negativeDimension(_ size: Int64, of name: String) -> Diagnostic {
    Diagnostic("'\(name)' has a dimension of \(size), expected 0 or more")
  }

  static func initializerNotInput(_ name: String, irVersion: Int64) -> Diagnostic {
    Diagnostic(
      "initializer '\(name)' is no graph input, which IR version \(irVersion) asks of each")
  }

  static func noAttributeValue(_ name: String) -> Diagnostic {
    Diagnostic("attribute '\(name)' has no value of its type")
  }

  static func noData(_ name: String) -> Diagnostic {
    Diagnostic(.error, .internalError, "tensor '\(name)' has no data field that can be read")
  }

  static func noIRVersion() -> Diagnostic { Diagnostic("the model has no IR version") }

  static func noLocation(_ name: String) -> Diagnostic {
    Diagnostic("tensor '\(name)' is external data without a location")
  }

  static func noOperator(node: String) -> Diagnostic {
    Diagnostic(at: Location(node: node), "the node has no operator")
  }

  static func noOpsetImport(of owner: String) -> Diagnostic {
    Diagnostic("\(owner) has no opset_import, expected one for every domain it uses")
  }

  static func opset(_ found: Int64, accepted: ClosedRange<Int64>) -> Diagnostic {
    Diagnostic(
      "opset \(found) is not supported, expected \(accepted.lowerBound) to "
        + "\(accepted.upperBound)")
  }

  static func pastEndOfFile(
    _ location: String, offset: Int64, length: Int64, size: Int64, of name: String
  ) -> Diagnostic {
    Diagnostic(
      "tensor '\(name)' needs \(length) bytes at \(offset) of '\(location)', which has \(size)")
  }

  static func sparseIncomplete(_ what: String) -> Diagnostic {
    Diagnostic("\(what) needs values of rank 1 and int64 indices, one or one row for each value")
  }

  static func sparseIndex(_ index: Int64, of name: String) -> Diagnostic {
    Diagnostic("sparse tensor '\(name)': index \(index) is out of range or out of order")
  }

  static func sparseTooLarge(_ size: Int, of name: String, limit: Int) -> Diagnostic {
    Diagnostic(
      .error, .limitReached,
      "sparse tensor '\(name)' takes \(size) bytes when dense, more than the limit of \(limit)")
  }

  static func stringData(_ name: String) -> Diagnostic {
    Diagnostic("tensor '\(name)': string_data goes with element type string, and only with it")
  }

  static func tooManyElements(_ dims: [Int64], of name: String) -> Diagnostic {
    Diagnostic("tensor '\(name)' has shape \(dims), whose size overflows")
  }

  static func twoOpsets(
    _ first: Int64, _ second: Int64, domain: String, of owner: String
  ) -> Diagnostic {
    Diagnostic("\(owner) imports domain '\(domain)' twice, as version \(first) and \(second)")
  }

  static func undefined(_ name: String, node: String) -> Diagnostic {
    Diagnostic(
      at: Location(node: node), "input '\(name)' is not defined before the node",
      notes: ["nodes stand in an order in which every value is made before it is used"])
  }

  static func undefinedOutput(_ name: String) -> Diagnostic {
    Diagnostic("graph output '\(name)' is not defined")
  }

  static func functionWithoutDomain(_ name: String) -> Diagnostic {
    Diagnostic("function '\(name)' has no domain, expected one of its own")
  }

  static func unnamedAttribute() -> Diagnostic { Diagnostic("an attribute has no name") }

  static func unnamedFunction() -> Diagnostic { Diagnostic("a function has no name") }

  static func unnamedInitializer() -> Diagnostic { Diagnostic("an initializer has no name") }

  static func unnamedInput() -> Diagnostic { Diagnostic("a graph input has no name") }

  static func untypedInterface(_ name: String) -> Diagnostic {
    Diagnostic("graph input or output '\(name)' has no type")
  }

  static func wrongDataField(
    _ field: String, _ element: String, of name: String
  ) -> Diagnostic {
    Diagnostic("tensor '\(name)' holds \(element) elements in \(field), where they do not belong")
  }
}
