internal import CONNX
internal import CProtobufC

// The structs filled here live in the arena, which outlives the packing; every count is that of the
// list beside it.

extension NodeProto {
  /// The message as bytes and splices.
  package func encoded() -> EncodedMessage {
    var arena = Arena()
    let message = unsafe arena.node(self)
    return unsafe arena.pack(&message.pointee.base, as: MessageSchema.onnx.node)
  }
}

extension TensorProto {
  package func encoded() -> EncodedMessage {
    var arena = Arena()
    let message = unsafe arena.tensor(self)
    return unsafe arena.pack(&message.pointee.base, as: MessageSchema.onnx.tensor)
  }
}

extension SparseTensorProto {
  package func encoded() -> EncodedMessage {
    var arena = Arena()
    let message = unsafe arena.sparseTensor(self)
    return unsafe arena.pack(&message.pointee.base, as: MessageSchema.onnx.sparseTensor)
  }
}

extension ValueInfoProto {
  package func encoded() -> EncodedMessage {
    var arena = Arena()
    let message = unsafe arena.valueInfo(self)
    return unsafe arena.pack(&message.pointee.base, as: MessageSchema.onnx.valueInfo)
  }
}

extension FunctionProto {
  package func encoded() -> EncodedMessage {
    var arena = Arena()
    let message = unsafe arena.function(self)
    return unsafe arena.pack(&message.pointee.base, as: MessageSchema.onnx.function)
  }
}

extension GraphProto {
  /// The graph from parts that were packed one by one; its own lists are ignored.
  package func encoded(_ parts: GraphParts) -> EncodedMessage {
    var header = self
    header.nodes = []
    header.initializers = []
    header.sparseInitializers = []
    header.inputs = []
    header.outputs = []
    header.valueInfo = []
    var arena = Arena()
    let message = unsafe arena.graph(header)
    let packed = unsafe arena.packed(&message.pointee.base)
    return EncodedMessage(header: packed, parts.fields.map { ($0.number, $0.messages) })
  }
}

/// The lists of a graph as fields of its message, each item packed when it is added.
package struct GraphParts: Sendable {
  /// By field number, in ascending order.
  fileprivate private(set) var fields: [(number: UInt64, messages: EncodedMessage)] =
    [1, 5, 11, 12, 13].map { ($0, EncodedMessage()) }

  package init() {}

  package mutating func add(node: NodeProto) { add(node.encoded(), 0) }

  package mutating func add(initializer: TensorProto) { add(initializer.encoded(), 1) }

  package mutating func add(input: ValueInfoProto) { add(input.encoded(), 2) }

  package mutating func add(output: ValueInfoProto) { add(output.encoded(), 3) }

  package mutating func add(valueInfo: ValueInfoProto) { add(valueInfo.encoded(), 4) }

  private mutating func add(_ message: EncodedMessage, _ place: Int) {
    fields[place].messages.append(field: fields[place].number, message)
  }
}

extension ModelProto {
  /// The whole file from its graph and functions.
  package func encoded(graph: EncodedMessage, functions: [EncodedMessage]) -> EncodedMessage {
    var arena = Arena()
    let message = unsafe arena.model(self)
    let packed = unsafe arena.packed(&message.pointee.base)
    var (graphs, rest) = (EncodedMessage(), EncodedMessage())
    graphs.append(field: 7, graph)
    for function in functions { rest.append(field: 25, function) }
    return EncodedMessage(header: packed, [(7, graphs), (25, rest)])
  }
}

extension Arena {
  fileprivate func pack(
    _ message: UnsafeMutablePointer<ProtobufCMessage>, as type: Int
  ) -> EncodedMessage {
    EncodedMessage(packed: unsafe packed(message), message: type, payloads: payloads)
  }

  /// A message with a placeholder for each payload.
  fileprivate func packed(_ message: UnsafeMutablePointer<ProtobufCMessage>) -> [UInt8] {
    let size = unsafe protobuf_c_message_get_packed_size(message)
    return unsafe [UInt8](unsafeUninitializedCapacity: size) { buffer, filled in
      filled = unsafe protobuf_c_message_pack(message, buffer.baseAddress)
    }
  }

  fileprivate mutating func pairs(
    _ pairs: [StringPair]
  ) -> UnsafeMutablePointer<UnsafeMutablePointer<Onnx__StringStringEntryProto>?> {
    unsafe list(pairs) { arena, pair in
      let entry = unsafe arena.message(
        Onnx__StringStringEntryProto.self, onnx__string_string_entry_proto__init)
      unsafe entry.pointee.key = arena.text(pair.key)
      unsafe entry.pointee.value = arena.text(pair.value)
      return unsafe entry
    }
  }

  fileprivate mutating func opsets(
    _ imports: [OperatorSetID]
  ) -> UnsafeMutablePointer<UnsafeMutablePointer<Onnx__OperatorSetIdProto>?> {
    unsafe list(imports) { arena, item in
      let entry = unsafe arena.message(
        Onnx__OperatorSetIdProto.self, onnx__operator_set_id_proto__init)
      unsafe entry.pointee.domain = arena.text(item.domain)
      unsafe entry.pointee.has_version = 1
      unsafe entry.pointee.version = item.version
      return unsafe entry
    }
  }

  fileprivate mutating func model(_ model: ModelProto) -> UnsafeMutablePointer<Onnx__ModelProto> {
    let message = unsafe message(Onnx__ModelProto.self, onnx__model_proto__init)
    if let version = model.irVersion {
      unsafe message.pointee.has_ir_version = 1
      unsafe message.pointee.ir_version = version
    }
    unsafe message.pointee.n_opset_import = model.opsetImports.count
    unsafe message.pointee.opset_import = opsets(model.opsetImports)
    unsafe message.pointee.producer_name = optional(model.producerName)
    unsafe message.pointee.producer_version = optional(model.producerVersion)
    unsafe message.pointee.domain = optional(model.domain)
    if let version = model.modelVersion {
      unsafe message.pointee.has_model_version = 1
      unsafe message.pointee.model_version = version
    }
    unsafe message.pointee.doc_string = optional(model.docString)
    unsafe message.pointee.n_metadata_props = model.metadata.count
    unsafe message.pointee.metadata_props = pairs(model.metadata)
    unsafe setUnknown(model.unknown, of: &message.pointee.base)
    return unsafe message
  }

  fileprivate mutating func graph(_ graph: GraphProto) -> UnsafeMutablePointer<Onnx__GraphProto> {
    let message = unsafe message(Onnx__GraphProto.self, onnx__graph_proto__init)
    unsafe message.pointee.name = optional(graph.name)
    unsafe message.pointee.doc_string = optional(graph.docString)
    unsafe message.pointee.n_node = graph.nodes.count
    unsafe message.pointee.node = list(graph.nodes) { arena, item in unsafe arena.node(item) }
    unsafe message.pointee.n_initializer = graph.initializers.count
    unsafe message.pointee.initializer = list(graph.initializers) { arena, item in
      unsafe arena.tensor(item)
    }
    unsafe message.pointee.n_sparse_initializer = graph.sparseInitializers.count
    unsafe message.pointee.sparse_initializer = list(graph.sparseInitializers) { arena, item in
      unsafe arena.sparseTensor(item)
    }
    unsafe message.pointee.n_input = graph.inputs.count
    unsafe message.pointee.input = list(graph.inputs) { arena, item in
      unsafe arena.valueInfo(item)
    }
    unsafe message.pointee.n_output = graph.outputs.count
    unsafe message.pointee.output = list(graph.outputs) { arena, item in
      unsafe arena.valueInfo(item)
    }
    unsafe message.pointee.n_value_info = graph.valueInfo.count
    unsafe message.pointee.value_info = list(graph.valueInfo) { arena, item in
      unsafe arena.valueInfo(item)
    }
    unsafe message.pointee.n_metadata_props = graph.metadata.count
    unsafe message.pointee.metadata_props = pairs(graph.metadata)
    unsafe setUnknown(graph.unknown, of: &message.pointee.base)
    return unsafe message
  }

  fileprivate mutating func node(_ node: NodeProto) -> UnsafeMutablePointer<Onnx__NodeProto> {
    let message = unsafe message(Onnx__NodeProto.self, onnx__node_proto__init)
    unsafe message.pointee.n_input = node.inputs.count
    unsafe message.pointee.input = texts(node.inputs)
    unsafe message.pointee.n_output = node.outputs.count
    unsafe message.pointee.output = texts(node.outputs)
    unsafe message.pointee.name = optional(node.name)
    unsafe message.pointee.op_type = optional(node.opType)
    unsafe message.pointee.domain = optional(node.domain)
    unsafe message.pointee.overload = optional(node.overload)
    unsafe message.pointee.n_attribute = node.attributes.count
    unsafe message.pointee.attribute = list(node.attributes) { arena, item in
      unsafe arena.attribute(item)
    }
    unsafe message.pointee.doc_string = optional(node.docString)
    unsafe message.pointee.n_metadata_props = node.metadata.count
    unsafe message.pointee.metadata_props = pairs(node.metadata)
    unsafe setUnknown(node.unknown, of: &message.pointee.base)
    return unsafe message
  }

  private mutating func attribute(
    _ attribute: AttributeProto
  ) -> UnsafeMutablePointer<Onnx__AttributeProto> {
    let message = unsafe message(Onnx__AttributeProto.self, onnx__attribute_proto__init)
    unsafe message.pointee.name = text(attribute.name)
    unsafe message.pointee.ref_attr_name = optional(attribute.referenceName)
    unsafe message.pointee.doc_string = optional(attribute.docString)
    unsafe message.pointee.has_type = 1
    unsafe message.pointee.type = Onnx__AttributeProto__AttributeType(
      rawValue: UInt32(bitPattern: attribute.type))
    if let float = attribute.float {
      unsafe message.pointee.has_f = 1
      unsafe message.pointee.f = float
    }
    if let int = attribute.int {
      unsafe message.pointee.has_i = 1
      unsafe message.pointee.i = int
    }
    if let string = attribute.string {
      unsafe message.pointee.has_s = 1
      unsafe message.pointee.s = bytes(string)
    }
    if let item = attribute.tensor { unsafe message.pointee.t = tensor(item) }
    if let item = attribute.graph { unsafe message.pointee.g = graph(item) }
    if let item = attribute.sparseTensor {
      unsafe message.pointee.sparse_tensor = sparseTensor(item)
    }
    if let item = attribute.typeProto { unsafe message.pointee.tp = type(item) }
    unsafe message.pointee.n_floats = attribute.floats.count
    unsafe message.pointee.floats = values(attribute.floats)
    unsafe message.pointee.n_ints = attribute.ints.count
    unsafe message.pointee.ints = values(attribute.ints)
    let strings = unsafe attribute.strings.map { unsafe bytes($0) }
    unsafe message.pointee.n_strings = strings.count
    unsafe message.pointee.strings = values(strings)
    unsafe message.pointee.n_tensors = attribute.tensors.count
    unsafe message.pointee.tensors = list(attribute.tensors) { arena, item in
      unsafe arena.tensor(item)
    }
    unsafe message.pointee.n_graphs = attribute.graphs.count
    unsafe message.pointee.graphs = list(attribute.graphs) { arena, item in
      unsafe arena.graph(item)
    }
    unsafe message.pointee.n_sparse_tensors = attribute.sparseTensors.count
    unsafe message.pointee.sparse_tensors = list(attribute.sparseTensors) { arena, item in
      unsafe arena.sparseTensor(item)
    }
    unsafe message.pointee.n_type_protos = attribute.typeProtos.count
    unsafe message.pointee.type_protos = list(attribute.typeProtos) { arena, item in
      unsafe arena.type(item)
    }
    unsafe setUnknown(attribute.unknown, of: &message.pointee.base)
    return unsafe message
  }

  fileprivate mutating func tensor(
    _ tensor: TensorProto
  ) -> UnsafeMutablePointer<Onnx__TensorProto> {
    let message = unsafe message(Onnx__TensorProto.self, onnx__tensor_proto__init)
    unsafe message.pointee.n_dims = tensor.dims.count
    unsafe message.pointee.dims = values(tensor.dims)
    unsafe message.pointee.has_data_type = 1
    unsafe message.pointee.data_type = tensor.dataType
    unsafe message.pointee.name = optional(tensor.name)
    unsafe message.pointee.doc_string = optional(tensor.docString)
    switch tensor.data {
    case .none: break
    case .payload(let token, let field, let length):
      unsafe message.pointee.has_raw_data = 1
      unsafe message.pointee.raw_data = placeholder(token: token, field: field, length: length)
    }
    let strings = unsafe tensor.strings.map { unsafe bytes($0) }
    unsafe message.pointee.n_string_data = strings.count
    unsafe message.pointee.string_data = values(strings)
    if tensor.isExternal {
      unsafe message.pointee.n_external_data = tensor.externalData.count
      unsafe message.pointee.external_data = pairs(tensor.externalData)
      unsafe message.pointee.has_data_location = 1
      unsafe message.pointee.data_location = ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL
    }
    unsafe message.pointee.n_metadata_props = tensor.metadata.count
    unsafe message.pointee.metadata_props = pairs(tensor.metadata)
    unsafe setUnknown(tensor.unknown, of: &message.pointee.base)
    return unsafe message
  }

  fileprivate mutating func sparseTensor(
    _ tensor: SparseTensorProto
  ) -> UnsafeMutablePointer<Onnx__SparseTensorProto> {
    let message = unsafe message(Onnx__SparseTensorProto.self, onnx__sparse_tensor_proto__init)
    if let item = tensor.values { unsafe message.pointee.values = self.tensor(item) }
    if let item = tensor.indices { unsafe message.pointee.indices = self.tensor(item) }
    unsafe message.pointee.n_dims = tensor.dims.count
    unsafe message.pointee.dims = values(tensor.dims)
    unsafe setUnknown(tensor.unknown, of: &message.pointee.base)
    return unsafe message
  }

  fileprivate mutating func valueInfo(
    _ value: ValueInfoProto
  ) -> UnsafeMutablePointer<Onnx__ValueInfoProto> {
    let message = unsafe message(Onnx__ValueInfoProto.self, onnx__value_info_proto__init)
    unsafe message.pointee.name = text(value.name)
    if let item = value.type { unsafe message.pointee.type = type(item) }
    unsafe message.pointee.doc_string = optional(value.docString)
    unsafe message.pointee.n_metadata_props = value.metadata.count
    unsafe message.pointee.metadata_props = pairs(value.metadata)
    unsafe setUnknown(value.unknown, of: &message.pointee.base)
    return unsafe message
  }

  private mutating func type(_ type: TypeProto) -> UnsafeMutablePointer<Onnx__TypeProto> {
    if case .other(let encoded, _) = type {
      // Its fields go out as the unknown fields of an empty message: the same bytes.
      let message = unsafe message(Onnx__TypeProto.self, onnx__type_proto__init)
      unsafe setUnknown(encoded, of: &message.pointee.base)
      return unsafe message
    }
    let message = unsafe message(Onnx__TypeProto.self, onnx__type_proto__init)
    switch type {
    case .other: break
    case .tensor(let element, let dimensions):
      let item = unsafe self.message(Onnx__TypeProto__Tensor.self, onnx__type_proto__tensor__init)
      unsafe item.pointee.has_elem_type = 1
      unsafe item.pointee.elem_type = element
      if let dimensions { unsafe item.pointee.shape = shape(dimensions) }
      unsafe message.pointee.value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE
      unsafe message.pointee.tensor_type = item
    case .sparse(let element, let dimensions):
      let item = unsafe self.message(
        Onnx__TypeProto__SparseTensor.self, onnx__type_proto__sparse_tensor__init)
      unsafe item.pointee.has_elem_type = 1
      unsafe item.pointee.elem_type = element
      if let dimensions { unsafe item.pointee.shape = shape(dimensions) }
      unsafe message.pointee.value_case = ONNX__TYPE_PROTO__VALUE_SPARSE_TENSOR_TYPE
      unsafe message.pointee.sparse_tensor_type = item
    case .sequence(let element):
      let item = unsafe self.message(
        Onnx__TypeProto__Sequence.self, onnx__type_proto__sequence__init)
      if let element { unsafe item.pointee.elem_type = self.type(element) }
      unsafe message.pointee.value_case = ONNX__TYPE_PROTO__VALUE_SEQUENCE_TYPE
      unsafe message.pointee.sequence_type = item
    case .optional(let element):
      let item = unsafe self.message(
        Onnx__TypeProto__Optional.self, onnx__type_proto__optional__init)
      if let element { unsafe item.pointee.elem_type = self.type(element) }
      unsafe message.pointee.value_case = ONNX__TYPE_PROTO__VALUE_OPTIONAL_TYPE
      unsafe message.pointee.optional_type = item
    case .map(let key, let value):
      let item = unsafe self.message(Onnx__TypeProto__Map.self, onnx__type_proto__map__init)
      unsafe item.pointee.has_key_type = 1
      unsafe item.pointee.key_type = key
      if let value { unsafe item.pointee.value_type = self.type(value) }
      unsafe message.pointee.value_case = ONNX__TYPE_PROTO__VALUE_MAP_TYPE
      unsafe message.pointee.map_type = item
    }
    return unsafe message
  }

  private mutating func shape(
    _ dimensions: [DimensionProto]
  ) -> UnsafeMutablePointer<Onnx__TensorShapeProto> {
    let message = unsafe message(Onnx__TensorShapeProto.self, onnx__tensor_shape_proto__init)
    unsafe message.pointee.n_dim = dimensions.count
    unsafe message.pointee.dim = list(dimensions) { arena, dimension in
      let item = unsafe arena.message(
        Onnx__TensorShapeProto__Dimension.self, onnx__tensor_shape_proto__dimension__init)
      switch dimension {
      case .unknown: break
      case .value(let size):
        unsafe item.pointee.value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE
        unsafe item.pointee.dim_value = size
      case .parameter(let name):
        unsafe item.pointee.value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM
        unsafe item.pointee.dim_param = arena.text(name)
      }
      return unsafe item
    }
    return unsafe message
  }

  fileprivate mutating func function(
    _ function: FunctionProto
  ) -> UnsafeMutablePointer<Onnx__FunctionProto> {
    let message = unsafe message(Onnx__FunctionProto.self, onnx__function_proto__init)
    unsafe message.pointee.name = optional(function.name)
    unsafe message.pointee.domain = optional(function.domain)
    unsafe message.pointee.overload = optional(function.overload)
    unsafe message.pointee.n_input = function.inputs.count
    unsafe message.pointee.input = texts(function.inputs)
    unsafe message.pointee.n_output = function.outputs.count
    unsafe message.pointee.output = texts(function.outputs)
    unsafe message.pointee.n_attribute = function.attributes.count
    unsafe message.pointee.attribute = texts(function.attributes)
    unsafe message.pointee.n_attribute_proto = function.attributeProtos.count
    unsafe message.pointee.attribute_proto = list(function.attributeProtos) { arena, item in
      unsafe arena.attribute(item)
    }
    unsafe message.pointee.n_node = function.nodes.count
    unsafe message.pointee.node = list(function.nodes) { arena, item in unsafe arena.node(item) }
    unsafe message.pointee.doc_string = optional(function.docString)
    unsafe message.pointee.n_opset_import = function.opsetImports.count
    unsafe message.pointee.opset_import = opsets(function.opsetImports)
    unsafe message.pointee.n_value_info = function.valueInfo.count
    unsafe message.pointee.value_info = list(function.valueInfo) { arena, item in
      unsafe arena.valueInfo(item)
    }
    unsafe message.pointee.n_metadata_props = function.metadata.count
    unsafe message.pointee.metadata_props = pairs(function.metadata)
    unsafe setUnknown(function.unknown, of: &message.pointee.base)
    return unsafe message
  }
}
