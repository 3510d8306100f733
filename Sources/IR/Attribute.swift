/// A named attribute.
package struct Attribute: Equatable, Sendable {
  package var name: String
  package var value: AttributeValue
  package var docString: String
  package var unknown: [UInt8]

  package init(
    _ name: String, _ value: AttributeValue, docString: String = "", unknown: [UInt8] = []
  ) {
    self.name = name
    self.value = value
    self.docString = docString
    self.unknown = unknown
  }
}

/// Large values lie elsewhere: most attributes are a number or a short list, and there are many.
package enum AttributeValue: Equatable, Sendable {
  case float(Float)
  case int(Int64)
  case string([UInt8])
  indirect case tensor(TensorAttribute)
  indirect case sparse(SparseAttribute)
  case type(ValueType)
  indirect case graph(Graph)
  case floats([Float])
  case ints([Int64])
  case strings([[UInt8]])
  case tensors([TensorAttribute])
  case sparses([SparseAttribute])
  case types([ValueType])
  case graphs([Graph])
  /// Inside a function: the caller's attribute of that name; `kind` is its `AttributeType`.
  indirect case reference(String, kind: Int32)

  package static func string(_ text: String) -> AttributeValue { .string(Array(text.utf8)) }
}

/// A tensor held by an attribute.
package struct TensorAttribute: Equatable, Sendable {
  package var name: String
  package var weight: Weight
  package var annotations: Annotations

  package init(name: String = "", weight: Weight, annotations: Annotations = Annotations()) {
    self.name = name
    self.weight = weight
    self.annotations = annotations
  }
}

/// A sparse tensor: the values that are not zero, and where they stand.
package struct SparseAttribute: Equatable, Sendable {
  package var values: TensorAttribute
  package var indices: TensorAttribute
  package var sizes: [Int64]
  package var unknown: [UInt8]

  package init(
    values: TensorAttribute, indices: TensorAttribute, sizes: [Int64], unknown: [UInt8] = []
  ) {
    self.values = values
    self.indices = indices
    self.sizes = sizes
    self.unknown = unknown
  }
}
