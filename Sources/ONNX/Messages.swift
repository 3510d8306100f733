/// ONNX's messages as Swift values, field by field; what libprotobuf-c allocates never leaves this
/// target. Fields that this version does not interpret are kept encoded in `unknown`.

package struct ModelProto: Sendable {
  package var irVersion: Int64?
  package var opsetImports: [OperatorSetID] = []
  package var producerName = ""
  package var producerVersion = ""
  package var domain = ""
  package var modelVersion: Int64?
  package var docString = ""
  package var metadata: [StringPair] = []
  /// `training_info`, `configuration` and fields of a newer schema, encoded.
  package var unknown: [UInt8] = []

  package init() {}
}

package struct OperatorSetID: Sendable {
  package var domain: String
  package var version: Int64

  package init(domain: String, version: Int64) {
    self.domain = domain
    self.version = version
  }
}

package struct StringPair: Sendable {
  package var key: String
  package var value: String

  package init(key: String, value: String) {
    self.key = key
    self.value = value
  }
}

package struct GraphProto: Sendable {
  package var name = ""
  package var docString = ""
  package var nodes: [NodeProto] = []
  package var initializers: [TensorProto] = []
  package var sparseInitializers: [SparseTensorProto] = []
  package var inputs: [ValueInfoProto] = []
  package var outputs: [ValueInfoProto] = []
  package var valueInfo: [ValueInfoProto] = []
  package var metadata: [StringPair] = []
  /// `quantization_annotation` and fields of a newer schema, encoded.
  package var unknown: [UInt8] = []

  package init() {}
}

package struct NodeProto: Sendable {
  package var inputs: [String] = []
  package var outputs: [String] = []
  package var name = ""
  package var opType = ""
  package var domain = ""
  package var overload = ""
  package var attributes: [AttributeProto] = []
  package var docString = ""
  package var metadata: [StringPair] = []
  /// `device_configurations` and fields of a newer schema, encoded.
  package var unknown: [UInt8] = []

  package init() {}
}

package struct AttributeProto: Sendable {
  package var name = ""
  package var referenceName = ""
  package var docString = ""
  /// `AttributeProto.AttributeType`; 0 where the file leaves it out.
  package var type: Int32 = 0
  package var float: Float?
  package var int: Int64?
  package var string: [UInt8]?
  package var tensor: TensorProto?
  package var graph: GraphProto?
  package var sparseTensor: SparseTensorProto?
  package var typeProto: TypeProto?
  package var floats: [Float] = []
  package var ints: [Int64] = []
  package var strings: [[UInt8]] = []
  package var tensors: [TensorProto] = []
  package var graphs: [GraphProto] = []
  package var sparseTensors: [SparseTensorProto] = []
  package var typeProtos: [TypeProto] = []
  package var unknown: [UInt8] = []

  package init() {}
}

package struct TensorProto: Sendable {
  package var name = ""
  package var dims: [Int64] = []
  package var dataType: Int32 = 0
  package var docString = ""
  package var data = Contents.none
  package var strings: [[UInt8]] = []
  package var externalData: [StringPair] = []
  package var isExternal = false
  package var metadata: [StringPair] = []
  /// `segment` and fields of a newer schema, encoded.
  package var unknown: [UInt8] = []

  package init() {}

  package enum Contents: Sendable {
    case none
    /// A data field: on reading an index into the file's payloads, on writing the caller's token
    /// for the `length` bytes that will be asked for.
    case payload(Int, field: Int32, length: Int64)
  }
}

package struct SparseTensorProto: Sendable {
  package var values: TensorProto?
  package var indices: TensorProto?
  package var dims: [Int64] = []
  package var unknown: [UInt8] = []

  package init() {}
}

package struct ValueInfoProto: Sendable {
  package var name = ""
  package var type: TypeProto?
  package var docString = ""
  package var metadata: [StringPair] = []
  package var unknown: [UInt8] = []

  package init() {}
}

package indirect enum TypeProto: Sendable {
  case tensor(element: Int32, shape: [DimensionProto]?)
  case sparse(element: Int32, shape: [DimensionProto]?)
  case sequence(TypeProto?)
  case optional(TypeProto?)
  case map(key: Int32, value: TypeProto?)
  /// Anything else, encoded: opaque types, denotations, unknown fields. A tensor among them may lack the type
  /// of its elements.
  case other([UInt8], lacksElement: Bool)
}

package enum DimensionProto: Sendable {
  case value(Int64)
  case parameter(String)
  case unknown
}

package struct FunctionProto: Sendable {
  package var name = ""
  package var domain = ""
  package var overload = ""
  package var inputs: [String] = []
  package var outputs: [String] = []
  package var attributes: [String] = []
  package var attributeProtos: [AttributeProto] = []
  package var nodes: [NodeProto] = []
  package var docString = ""
  package var opsetImports: [OperatorSetID] = []
  package var valueInfo: [ValueInfoProto] = []
  package var metadata: [StringPair] = []
  package var unknown: [UInt8] = []

  package init() {}
}
