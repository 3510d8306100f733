import Testing

@testable import Targets

struct OpsetTableTests {
  @Test func `every version of every standard operator was reviewed`() throws {
    let opsets = try OpsetTable.embedded()
    let operators = try OperatorTable.embedded()
    for op in operators.names(domain: "") {
      for version in operators.versions(domain: "", op: op).dropFirst()
      where version > opsets.accepted.lowerBound {
        #expect(opsets.change(of: op, at: version) != nil, "\(op) \(version)")
      }
    }
    #expect(opsets.accepted == 7...28)
    #expect(opsets.accepted.upperBound == operators.newestOpset)
  }

  @Test func `an attribute that became an operand is an adaptation`() throws {
    let opsets = try OpsetTable.embedded()
    #expect(opsets.change(of: "ReduceSum", at: 13) == .adapted)
    #expect(opsets.change(of: "ReduceMean", at: 18) == .adapted)
    #expect(opsets.change(of: "Add", at: 14) == .same)
    #expect(opsets.change(of: "Scan", at: 9) == .refused)
    #expect(opsets.change(of: "Add", at: 15) == nil)
  }

  @Test func `opsets need the IR versions of ONNX's own table`() throws {
    let opsets = try OpsetTable.embedded()
    let needed: [(opset: Int64, ir: Int64)] = [
      (7, 3), (18, 3), (19, 9), (20, 9), (21, 10), (22, 10), (23, 11), (24, 12), (25, 13),
      (27, 13), (28, 14),
    ]
    for (opset, ir) in needed { #expect(opsets.irVersion(for: opset) == ir) }
  }
}
