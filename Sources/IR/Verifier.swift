package import Support

/// Checks a model against every invariant that the rest of the compiler builds on.
///
/// Of the model:
///
/// * No domain is imported twice, no function is defined twice, `ai.onnx` is spelled as the empty
///   domain.
/// * Functions do not call themselves, not even through others, and calls nest at most 100 deep.
/// * A function's attributes have distinct names; an attribute reference stands in a function and
///   names one of them.
/// * Graphs nest at most 100 deep.
///
/// Of each graph:
///
/// * Every value has a name of its own in its graph.
/// * Inputs are distinct; they are all the values of origin `input` and all the overridable weights,
///   nothing else. A function has no overridable weight.
/// * Nodes read only values that stand above them, and so do their bodies.
/// * A result knows its node and its place among the node's results.
/// * Only a body captures a value, and a graph around it has the value.
/// * Graph outputs are values of the graph.
/// * The lists of uses name exactly the readers.
/// * The domain of every operator is imported.
/// * A node's attributes have distinct names.
///
/// Of each weight, in tables and in attributes:
///
/// * Its value has the type that the recipe makes; its shape is fixed.
/// * Raw bytes are as long as the type says; there are as many strings as elements, and only in a
///   tensor of strings.
/// * A transposition permutes all axes, a reshape keeps the count of elements, only the last step
///   quantizes, strings are never cast, an overridable weight has no steps.
/// * A quantization makes an FP8 type from a high precision type, up to a finite full scale above
///   zero. A scale is finite and above zero; one for each channel has an axis of the tensor and as
///   many numbers as that axis is long. Only activations have dynamic ones.
///
/// Of each module:
///
/// * Its path is unique in the model, its ports have distinct names, and their values exist; only an
///   output may have none.
/// * Its nodes exist, stand in graph order, belong to no other module, and the last one makes the
///   result. A module of one node may share it where the results differ.
/// * A range is not negative, and has one number or one for each channel. Scales are as for weights.
///
/// Takes time linear in the model's size, but for sorting the readers of each value.
package struct Verifier: Sendable {
  private let status: ExitStatus
  private let portStatus: ExitStatus

  /// `status` is what a fault means: 70 behind a pass of ours, 65 where a file was read.
  ///
  /// `portStatus` is the same for what modules say of their ports, which types that are found later may
  /// contradict.
  package init(status: ExitStatus = .internalError, portStatus: ExitStatus? = nil) {
    self.status = status
    self.portStatus = portStatus ?? status
  }

  /// Throws the first fault.
  package func verify(_ model: Model) throws(Diagnostic) {
    var walk = Verification(model)
    do throws(Diagnostic) {
      try walk.check(model)
    } catch {
      var fault = error
      fault.status = walk.isAtPorts ? portStatus : status
      throw fault
    }
  }
}

/// One verification under way.
struct Verification {
  static let depthLimit = 100

  /// Places of the functions in the model, by key.
  private var functions: [FunctionKey: Int] = [:]
  /// The functions that each function calls, with repetitions.
  private var calls: [[Int]]
  private var paths: Set<String> = []
  /// True while the ports of a module are looked at.
  var isAtPorts = false

  /// How many inputs and outputs each function has.
  private let interfaces: [(inputs: Int, outputs: Int)]

  init(_ model: Model) {
    calls = Array(repeating: [], count: model.functions.count)
    interfaces = model.functions.map { ($0.body.inputs.count, $0.body.outputs.count) }
  }

  /// What holds for all graphs of the main graph or of one function.
  struct Scope {
    var domains: Set<String>
    /// The place of the function and the names of its attributes; `nil` in the main graph.
    var function: (index: Int, attributes: Set<String>)?
  }

  mutating func check(_ model: Model) throws(Diagnostic) {
    let domains = try domains(of: model.opsets)
    for (index, function) in model.functions.enumerated() {
      guard functions.updateValue(index, forKey: function.key) == nil else {
        throw .functionTwice(function.key)
      }
    }
    try check(model.graph, in: Scope(domains: domains, function: nil), depth: 1, isBody: false)
    for (index, function) in model.functions.enumerated() {
      var attributes: Set<String> = []
      for name in function.attributes + function.defaults.map({ $0.name }) {
        guard attributes.insert(name).inserted else {
          throw .attributeTwice(name, at: Location(node: function.key.name))
        }
      }
      let scope = Scope(
        domains: try self.domains(of: function.opsets), function: (index, attributes))
      try check(function.body, in: scope, depth: 1, isBody: false)
    }
    try checkCalls(model)
  }

  private func domains(of opsets: [OpsetImport]) throws(Diagnostic) -> Set<String> {
    var domains: Set<String> = []
    for opset in opsets {
      guard opset.domain != "ai.onnx" else { throw .spelledOut(domain: opset.domain) }
      guard domains.insert(opset.domain).inserted else { throw .opsetTwice(opset.domain) }
    }
    return domains
  }

  /// A call gives and takes no more than its function has; what it leaves out at the end is allowed.
  mutating func noteCall(
    of node: Node, in scope: Scope, at location: @autoclosure () -> Location
  ) throws(Diagnostic) {
    guard let callee = functions[node.functionKey] else { return }
    let (inputs, outputs) = interfaces[callee]
    guard node.inputs.count <= inputs, node.outputs.count <= outputs else {
      throw .callArity(
        node.functionKey, inputs: node.inputs.count, outputs: node.outputs.count,
        expected: interfaces[callee], at: location())
    }
    if let caller = scope.function?.index { calls[caller].append(callee) }
  }

  mutating func notePath(_ path: String) -> Bool { paths.insert(path).inserted }

  /// Walks the calls without recursion; a function that is met while it is open calls itself.
  private func checkCalls(_ model: Model) throws(Diagnostic) {
    enum State { case new, open, done }
    var states = [State](repeating: .new, count: calls.count)
    var heights = [Int](repeating: 1, count: calls.count)
    for root in calls.indices where states[root] == .new {
      var stack = [(function: root, next: 0)]
      states[root] = .open
      while let (function, next) = stack.last {
        guard next < calls[function].count else {
          states[function] = .done
          stack.removeLast()
          guard heights[function] <= Verification.depthLimit else {
            throw .callDepth(model.functions[function].key, limit: Verification.depthLimit)
          }
          if let caller = stack.last?.function {
            heights[caller] = max(heights[caller], heights[function] + 1)
          }
          continue
        }
        stack[stack.count - 1].next += 1
        let callee = calls[function][next]
        switch states[callee] {
        case .open: throw .recursion(model.functions[callee].key)
        case .done: heights[function] = max(heights[function], heights[callee] + 1)
        case .new:
          states[callee] = .open
          stack.append((callee, 0))
        }
      }
    }
  }
}
