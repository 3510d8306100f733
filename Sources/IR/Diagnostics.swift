import Support

// Faults of the text.
extension Diagnostic {
  static func syntax(line: Int, column: Int, found: String, expected: String) -> Diagnostic {
    malformed("\(line):\(column): found \(found), expected \(expected)")
  }
}

// Faults that the verifier finds, in alphabetical order; it sets their status.
extension Diagnostic {
  static func attributeTwice(_ name: String, at location: Location) -> Diagnostic {
    malformed("attribute '\(name)' appears twice, expected distinct names", at: location)
  }

  static func callArity(
    _ key: FunctionKey, inputs: Int, outputs: Int, expected: (inputs: Int, outputs: Int),
    at location: Location
  ) -> Diagnostic {
    malformed(
      "calls function '\(key.name)' with \(inputs) inputs and \(outputs) outputs, expected at most "
        + "\(expected.inputs) and \(expected.outputs)", at: location)
  }

  static func callDepth(_ key: FunctionKey, limit: Int) -> Diagnostic {
    malformed("calls from function '\(key.name)' nest deeper than \(limit)")
  }

  static func captureOutsideBody(_ name: String, _ graph: String) -> Diagnostic {
    malformed("graph '\(graph)' reads '\(name)', which nothing defines")
  }

  static func weightFullscale(_ value: Float, _ weight: String) -> Diagnostic {
    malformed(
      "weight '\(weight)' has fullscale \(FloatText.text(value)), expected a finite number above 0")
  }

  static func functionTwice(_ key: FunctionKey) -> Diagnostic {
    malformed("function '\(key.name)' of domain '\(key.domain)' is defined twice")
  }

  static func graphDepth(_ graph: String, limit: Int) -> Diagnostic {
    malformed("graph '\(graph)' nests deeper than \(limit) levels")
  }

  static func inputOrigin(_ name: String, _ graph: String) -> Diagnostic {
    malformed(
      "input '\(name)' of graph '\(graph)' is neither defined as an input nor an overridable weight"
    )
  }

  static func inputTwice(_ name: String, _ graph: String) -> Diagnostic {
    broken("graph '\(graph)' lists input '\(name)' twice")
  }

  static func missingInput(_ graph: String) -> Diagnostic {
    broken("graph '\(graph)' lists an input that was removed")
  }

  static func missingModuleNode(_ path: String) -> Diagnostic {
    broken("module '\(path)' names a node that was removed")
  }

  static func missingOperand(at location: Location) -> Diagnostic {
    broken("reads a value that was removed", at: location)
  }

  static func missingOutput(_ graph: String) -> Diagnostic {
    broken("graph '\(graph)' lists an output that nothing defines")
  }

  static func missingPort(_ port: String, _ path: String) -> Diagnostic {
    broken("port '\(port)' of module '\(path)' names a value that was removed")
  }

  static func moduleOrder(_ path: String) -> Diagnostic {
    malformed("module '\(path)' lists its nodes in another order than the graph")
  }

  static func moduleResult(_ path: String) -> Diagnostic {
    malformed("the result of module '\(path)' is not made by the last of its nodes")
  }

  static func moduleTwice(_ path: String) -> Diagnostic {
    malformed("module '\(path)' appears twice, expected distinct paths")
  }

  static func nameTwice(_ name: String, _ graph: String) -> Diagnostic {
    malformed("graph '\(graph)' defines '\(name)' twice")
  }

  static func opsetTwice(_ domain: String) -> Diagnostic {
    malformed("domain '\(domain)' is imported twice")
  }

  static func orphan(_ name: String, _ graph: String) -> Diagnostic {
    broken("value '\(name)' of graph '\(graph)' is the result of a node that does not list it")
  }

  static func overridable(_ name: String, _ graph: String) -> Diagnostic {
    malformed("weight '\(name)' of function '\(graph)' is overridable, expected a constant")
  }

  static func overridableRecipe(_ name: String, at location: Location) -> Diagnostic {
    malformed("weight '\(name)' is overridable and has a recipe, expected none", at: location)
  }

  static func permutation(_ name: String, at location: Location) -> Diagnostic {
    malformed(
      "weight '\(name)' is transposed by something that is no permutation of its axes", at: location
    )
  }

  static func portAxis(_ axis: Int, _ port: String, _ path: String) -> Diagnostic {
    malformed("port '\(port)' of module '\(path)' has channel axis \(axis), which its value lacks")
  }

  static func portRange(_ port: String, _ path: String) -> Diagnostic {
    malformed(
      "the range of port '\(port)' of module '\(path)' is negative or has another length than the "
        + "channel axis")
  }

  static func dynamicPort(_ port: String, _ path: String) -> Diagnostic {
    malformed(
      "port '\(port)' of module '\(path)' has a dynamic scale, which only activations may have")
  }

  static func dynamicWeight(_ name: String) -> Diagnostic {
    malformed("the scale of '\(name)' is dynamic, expected the numbers of a weight")
  }

  static func portTwice(_ port: String, _ path: String) -> Diagnostic {
    malformed("port '\(port)' of module '\(path)' appears twice, expected distinct names")
  }

  static func quantizedEarly(_ name: String, at location: Location) -> Diagnostic {
    malformed("weight '\(name)' is quantized before the last step of its recipe", at: location)
  }

  static func quantizedFrom(_ name: String) -> Diagnostic {
    malformed("weight '\(name)' is quantized from a type other than f32, f16 and bf16")
  }

  static func quantizedTo(_ element: ElementType, _ name: String) -> Diagnostic {
    malformed("weight '\(name)' is quantized to \(element.spelling), expected an FP8 type")
  }

  static func recursion(_ key: FunctionKey) -> Diagnostic {
    malformed("function '\(key.name)' of domain '\(key.domain)' calls itself")
  }

  static func reshape(
    _ name: String, to sizes: [Int64], count: Int, at location: Location
  ) -> Diagnostic {
    malformed(
      "weight '\(name)' is reshaped to \(sizes), expected a shape of \(count) elements",
      at: location)
  }

  static func scaleAxis(_ axis: Int, _ name: String) -> Diagnostic {
    malformed("the scale of '\(name)' has axis \(axis), which the tensor lacks")
  }

  static func scaleCount(_ count: Int, _ name: String, expected: Int64) -> Diagnostic {
    malformed("the scale of '\(name)' has \(count) numbers, expected \(expected)")
  }

  static func scaleValue(_ value: Float, _ name: String) -> Diagnostic {
    malformed(
      "the scale of '\(name)' is \(FloatText.text(value)), expected a finite number above 0")
  }

  static func sharedNode(_ path: String, _ location: Location) -> Diagnostic {
    malformed("belongs to module '\(path)' and to another one", at: location)
  }

  static func spelledOut(domain: String) -> Diagnostic {
    malformed("domain '\(domain)' is spelled out, expected the empty domain")
  }

  static func strayResult(_ index: Int, at location: Location) -> Diagnostic {
    broken("result \(index) is a value of another origin", at: location)
  }

  static func stringCast(_ name: String, at location: Location) -> Diagnostic {
    malformed("weight '\(name)' is cast from or to a tensor of strings", at: location)
  }

  static func undefinedAttribute(_ name: String, at location: Location) -> Diagnostic {
    malformed("refers to attribute '\(name)', which no function around it has", at: location)
  }

  static func undefinedCapture(_ name: String, at location: Location) -> Diagnostic {
    broken("a body reads '\(name)', which no graph around it defines", at: location)
  }

  static func unimportedDomain(_ domain: String, of op: String, at location: Location) -> Diagnostic
  {
    malformed("operator '\(op)' is of domain '\(domain)', which is not imported", at: location)
  }

  static func unlistedInput(_ name: String, _ graph: String) -> Diagnostic {
    malformed("input '\(name)' of graph '\(graph)' is not listed")
  }

  static func usedBeforeDefinition(_ name: String, at location: Location) -> Diagnostic {
    malformed("reads '\(name)' before it is defined", at: location)
  }

  static func weightElement(_ name: String, at location: Location) -> Diagnostic {
    malformed(
      "weight '\(name)' has strings for elements of another type, or the reverse", at: location)
  }

  static func weightLength(
    _ name: String, _ length: Int64, expected: Int64?, at location: Location
  ) -> Diagnostic {
    let wanted = expected.map { String($0) } ?? "fewer"
    return malformed(
      "weight '\(name)' holds \(length) bytes or strings, expected \(wanted)", at: location)
  }

  static func weightRange(_ name: String, at location: Location) -> Diagnostic {
    malformed("weight '\(name)' lies at a negative or overflowing place of its file", at: location)
  }

  static func weightShape(_ name: String, at location: Location) -> Diagnostic {
    malformed("weight '\(name)' has a size that is unknown, negative or too large", at: location)
  }

  static func weightType(_ name: String) -> Diagnostic {
    broken("weight '\(name)' has another type than its recipe makes")
  }

  static func wrongUses(_ name: String, _ graph: String) -> Diagnostic {
    broken("the list of uses of '\(name)' in graph '\(graph)' is wrong")
  }

  /// A fault that neither a file nor a text can have.
  private static func broken(
    _ message: String, at location: Location = Location()
  ) -> Diagnostic {
    Diagnostic(.error, .internalError, at: location, message)
  }

  private static func malformed(
    _ message: String, at location: Location = Location(), factory: String = #function
  ) -> Diagnostic {
    Diagnostic(.error, .malformedInput, at: location, message, factory: factory)
  }
}
