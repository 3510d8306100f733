/// A node that could have been a module and is not.
package struct LeftNode: Equatable, Sendable {
  package let node: String
  package let kind: String
  package let type: String
  package let path: String
  package let reason: String
}
